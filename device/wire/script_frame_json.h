// The description of a frame in a script: JSON to recipe.
#pragma once

#include "device/wire/script_frame.h"
#include "device/wire/script_json.h"

namespace skbtrail::device {

/// Reads FRAME of script_file.h. Throws ScriptError for what cannot be made into a frame.
FrameRecipe parse_frame_recipe(const JsonNode& node);

}  // namespace skbtrail::device
