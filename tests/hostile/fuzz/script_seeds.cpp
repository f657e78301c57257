#include <string_view>

#include "tests/hostile/fuzz/seeds.h"

namespace skbtrail::hostile {

namespace {

constexpr std::string_view handshake = R"({"format": "skbtrail-script", "version": 1, "steps": [
{"name": "syn", "when": {"frame": {"from": "guest", "tcp.flags": "SYN", "tcp.destination": "80"}},
 "send": {"ethernet": {"source": "52:55:0a:00:02:02", "destination": "guest"},
  "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15", "ttl": 64, "tos": 0, "id": 1,
           "dont_fragment": true},
  "tcp": {"source": 80, "destination": 4000, "flags": "SYN,ACK", "sequence": 1,
          "acknowledgement": 1, "window": 65535}},
 "expect": {"frame": {"from": "guest", "tcp.flags": "ACK"}, "count": 1, "within_ms": 100}},
{"when": {"step": "syn"}, "after_ms": 0,
 "send": [{"ethernet": {"source": "52:55:0a:00:02:02"},
           "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
           "tcp": {"source": 80, "destination": 4000, "flags": "PSH,ACK"},
           "payload": {"hex": "de ad"}},
          {"ethernet": {"source": "52:55:0a:00:02:02"},
           "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
           "tcp": {"source": 80, "destination": 4000, "flags": "FIN,ACK"}}]}]})";

constexpr std::string_view others = R"({"format": "skbtrail-script", "version": 1, "steps": [
{"when": "start",
 "send": {"ethernet": {"source": "52:55:0a:00:02:02", "destination": "ff:ff:ff:ff:ff:ff"},
  "arp": {"operation": "request", "sender_mac": "52:55:0a:00:02:02", "sender": "10.0.2.2",
          "target_mac": "guest", "target": "10.0.2.15"}},
 "expect": {"frame": {"arp.operation": "reply"}}},
{"name": "p", "when": {"frame": {"icmp.type": 8}, "count": 3}, "after_ms": 200,
 "send": {"ethernet": {"source": "52:55:0a:00:02:02"},
  "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
  "icmp": {"type": "echo-reply", "code": 0, "id": 7, "sequence": 1}, "payload": {"size": 56}}},
{"send": [{"ethernet": {"source": "52:55:0a:00:02:02"},
  "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
  "udp": {"source": 53, "destination": 4000}, "payload": "text"},
  {"ethernet": {"source": "52:55:0a:00:02:02", "type": "0x88b5"}, "payload": {"text": "x"}},
  {"ethernet": {"source": "52:55:0a:00:02:02"},
   "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15", "protocol": 253}},
  {"raw": "52 55 0a 00 02 02 52 54 00 12 34 56 88 b5 01"}]}]})";

}  // namespace

Seeds script_seeds() {
    return {
        {"handshake", bytes_of(handshake)},
        {"others", bytes_of(others)},
        {"empty", bytes_of(R"({"format": "skbtrail-script", "version": 1, "steps": []})")},
        {"no-script", bytes_of(R"({"format": "something else"})")},
    };
}

}  // namespace skbtrail::hostile
