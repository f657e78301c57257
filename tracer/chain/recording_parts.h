// The parts of a recording's JSON, for those who write or read it otherwise than as one document.
#pragma once

#include "tracer/chain/json_reader.h"
#include "tracer/chain/json_writer.h"
#include "tracer/chain/recording.h"

namespace skbtrail::chain {

void write_chain(JsonWriter& writer, const Chain& chain);
void write_packet(JsonWriter& writer, const Packet& packet);
void write_loss(JsonWriter& writer, const Loss& loss);
void write_observed(JsonWriter& writer, const Observed& observed);
void write_ring_event(JsonWriter& writer, const RingEvent& event);

// These throw FormatError with the place.

Chain read_chain(const JsonValue& value);
Packet read_packet(const JsonValue& value);
Loss read_loss(const JsonValue& value);
Observed read_observed(const JsonValue& value);
RingEvent read_ring_event(const JsonValue& value);

/// That what refers to a packet by its number finds one, and numbers are given once: whoever reads
/// a recording may rely on it. Throws FormatError.
void check_references(const Recording& recording);

}  // namespace skbtrail::chain
