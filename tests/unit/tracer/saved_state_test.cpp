#include "tracer/ftrace/saved_state.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

#include "tracer/failure.h"
#include "tracer/files.h"

using namespace skbtrail::tracer;
namespace fs = std::filesystem;

namespace {

/// A directory with settings and journals, removed at the end.
class Settings {
  public:
    Settings() {
        std::string name = (fs::temp_directory_path() / "skbtrail-saved-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        root_ = name;
        fs::create_directory(run());
    }
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;
    ~Settings() { fs::remove_all(root_); }

    [[nodiscard]] fs::path run() const { return root_ / "run"; }
    [[nodiscard]] std::string setting(const std::string& name) const {
        return (root_ / name).string();
    }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(setting(name)) << text;
    }
    [[nodiscard]] std::string read(const std::string& name) const {
        return read_file(setting(name));
    }
    [[nodiscard]] bool has_journal() const { return !fs::is_empty(run()); }

    /// The journal of a collector that was killed: of a process that is no more.
    void leave_journal(const std::string& text, const std::string& owner = "999999999-1") const {
        std::ofstream(run() / ("skbtrail-collect-" + owner + ".saved")) << text;
    }

  private:
    fs::path root_;
};

}  // namespace

TEST_CASE("settings are put back, the last one first") {
    const Settings settings;
    settings.write("a", "mine");
    {
        SavedState saved(settings.run());
        CHECK(saved.repaired() == 0);
        saved.remember(settings.setting("a"), "first");
        saved.remember(settings.setting("a"), "second");
        CHECK(settings.has_journal());
        CHECK(settings.read("a") == "mine");
    }
    CHECK(settings.read("a") == "first");
    CHECK_FALSE(settings.has_journal());
}

TEST_CASE("settings that are to stay are left alone") {
    const Settings settings;
    settings.write("a", "mine");
    {
        SavedState saved(settings.run());
        saved.remember(settings.setting("a"), "before");
        saved.forget();
        CHECK_FALSE(settings.has_journal());
    }
    CHECK(settings.read("a") == "mine");
}

TEST_CASE("what a killed collector changed is put back by the next one") {
    const Settings settings;
    settings.write("a", "its");
    settings.write("b", "its");
    const auto journal = "skbtrail-saved 1\n" + settings.setting("a") + "\n6 once\nbefore\n" +
                         settings.setting("b") + "\n9 words\none\ntwo 3\n";
    SECTION("in whole") {
        settings.leave_journal(journal);
        const SavedState saved(settings.run());
        CHECK(saved.repaired() == 1);
        CHECK(settings.read("a") == "before");
        CHECK(settings.read("b") == "one two 3 ");
        CHECK_FALSE(settings.has_journal());
    }
    SECTION("as far as its journal goes") {
        settings.leave_journal(journal.substr(0, journal.size() - 5));
        const SavedState saved(settings.run());
        CHECK(saved.repaired() == 1);
        CHECK(settings.read("a") == "before");
        CHECK(settings.read("b") == "its");
    }
    SECTION("but not while it lives") {
        const auto stat = read_file("/proc/self/stat");
        const auto words = split_words(std::string_view(stat).substr(stat.rfind(')') + 1));
        settings.leave_journal(journal, std::to_string(::getpid()) + "-" + std::string(words[19]));
        const SavedState saved(settings.run());
        CHECK(saved.repaired() == 0);
        CHECK(settings.read("a") == "its");
        CHECK(settings.has_journal());
    }
    SECTION("nor what is no journal") {
        settings.leave_journal("something else\n" + settings.setting("a") + "\n6 once\nbefore\n");
        std::ofstream(settings.run() / "skbtrail-collect-x.saved") << journal;
        const SavedState saved(settings.run());
        CHECK(saved.repaired() == 0);
        CHECK(settings.read("a") == "its");
    }
}

TEST_CASE("nothing is changed where it could not be put back") {
    const Settings settings;
    SavedState saved(settings.run() / "missing");
    CHECK_THROWS_AS(saved.remember(settings.setting("a"), "before"), Failure);
}
