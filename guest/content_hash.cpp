#include "guest/content_hash.h"

#include <memory>

#include <glib.h>

namespace skbtrail::guest {

std::string content_hash(std::string_view bytes) {
    struct FreeText {
        void operator()(gchar* text) const { g_free(text); }
    };
    const std::unique_ptr<gchar, FreeText> text(g_compute_checksum_for_data(
        G_CHECKSUM_SHA256, reinterpret_cast<const guchar*>(bytes.data()), bytes.size()));
    return text.get();
}

}  // namespace skbtrail::guest
