// How far two processors are from each other: what a cache line costs on its way.
#pragma once

namespace skbtrail::bench {

/// Nanoseconds until a word that one processor writes has been seen by the other and an answer
/// has come back: the median of some ten thousand turns, in a few milliseconds. Some 50 ns between
/// the two threads of a core, several hundred between cores that share no cache. In a virtual
/// machine it can change at any time, with the processors that the host gives it. Throws
/// std::system_error when a processor is not there.
double round_trip_ns(int first, int second);

}  // namespace skbtrail::bench
