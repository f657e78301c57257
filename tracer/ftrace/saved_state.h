// What was changed of tracing that belongs to the whole machine, to put it back: at the end, or, of
// a collector that was killed, when the next one starts.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace skbtrail::tracer {

/// Remembers files of tracefs and procfs, in memory and in a journal that outlives the process but
/// not the machine's next boot (/run).
class SavedState {
  public:
    /// `directory`: where journals are. Puts back first what the journals of collectors that live
    /// no more say; `repaired()` tells how many.
    explicit SavedState(std::string directory = "/run");

    /// Puts everything back, unless forget() was called.
    ~SavedState();
    SavedState(const SavedState&) = delete;
    SavedState& operator=(const SavedState&) = delete;

    /// Remembers that `text` has to be written to `path`, in one piece or, `by_word`, one word a
    /// write, as lists of functions want it. What was remembered last is put back first.
    /// Throws Failure when the journal cannot be written: then nothing should be changed.
    void remember(const std::string& path, std::string text, bool by_word = false);

    /// Puts everything back now.
    void restore();

    /// Leaves everything as it is, for good.
    void forget();

    [[nodiscard]] unsigned repaired() const { return repaired_; }

    struct Entry {
        std::string path;
        std::string text;
        bool by_word = false;
    };

  private:
    void write_journal() const;
    void remove_journal();

    std::string directory_;
    std::string journal_;
    std::vector<Entry> entries_;
    unsigned repaired_ = 0;
};

}  // namespace skbtrail::tracer
