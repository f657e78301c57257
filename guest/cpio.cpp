#include "guest/cpio.h"

#include <filesystem>
#include <memory>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "guest/error.h"

namespace skbtrail::guest {
namespace {

struct FreeWriter {
    void operator()(archive* writer) const { archive_write_free(writer); }
};
struct FreeEntry {
    void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

la_ssize_t append(archive*, void* target, const void* bytes, std::size_t count) {
    static_cast<std::string*>(target)->append(static_cast<const char*>(bytes), count);
    return static_cast<la_ssize_t>(count);
}

std::string checked(const std::string& path) {
    const std::filesystem::path parts(path);
    bool good = parts.is_absolute() && parts.has_filename();
    for (const auto& part : parts) {
        good = good && part != "." && part != "..";
    }
    if (!good) {
        throw Error(fmt::format(
            "\"{}\" cannot be a file in the guest: an absolute path without \".\" and \"..\" is "
            "needed.",
            path));
    }
    return parts.relative_path().lexically_normal().string();
}

}  // namespace

void CpioArchive::add(const std::string& path, Entry entry) {
    const std::string name = checked(path);
    // The kernel makes no directories by itself. Sorting puts each before what it holds.
    for (std::size_t slash = name.find('/'); slash != std::string::npos;
         slash = name.find('/', slash + 1)) {
        entries_.try_emplace(name.substr(0, slash),
                             Entry{.type = AE_IFDIR, .mode = 0755, .content = {}});
    }
    entries_.insert_or_assign(name, std::move(entry));
}

void CpioArchive::add_file(const std::string& path, std::string content, unsigned mode) {
    add(path, {.type = AE_IFREG, .mode = mode, .content = std::move(content)});
}

void CpioArchive::add_directory(const std::string& path, unsigned mode) {
    add(path, {.type = AE_IFDIR, .mode = mode, .content = {}});
}

void CpioArchive::add_link(const std::string& path, std::string target) {
    add(path, {.type = AE_IFLNK, .mode = 0777, .content = std::move(target)});
}

void CpioArchive::add_device(const std::string& path, unsigned major, unsigned minor,
                             unsigned mode) {
    add(path, {.type = AE_IFCHR, .mode = mode, .content = {}, .major = major, .minor = minor});
}

std::string CpioArchive::bytes() const {
    std::string result;
    const std::unique_ptr<archive, FreeWriter> writer(archive_write_new());
    const auto check = [&writer](int status) {
        if (status != ARCHIVE_OK) {
            throw Error(fmt::format("Could not write the guest's file system: {}.",
                                    archive_error_string(writer.get())));
        }
    };
    check(archive_write_set_format_cpio_newc(writer.get()));
    check(archive_write_add_filter_none(writer.get()));
    check(archive_write_set_bytes_in_last_block(writer.get(), 4));
    check(archive_write_open(writer.get(), &result, nullptr, append, nullptr));
    std::int64_t inode = 0;
    for (const auto& [path, source] : entries_) {
        const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
        const bool is_file = source.type == AE_IFREG;
        archive_entry_set_pathname(entry.get(), path.c_str());
        archive_entry_set_filetype(entry.get(), source.type);
        archive_entry_set_perm(entry.get(), static_cast<mode_t>(source.mode));
        archive_entry_set_nlink(entry.get(), 1);
        archive_entry_set_ino64(entry.get(), ++inode);
        archive_entry_set_mtime(entry.get(), 0, 0);
        archive_entry_set_size(entry.get(),
                               is_file ? static_cast<la_int64_t>(source.content.size()) : 0);
        if (source.type == AE_IFLNK) {
            archive_entry_set_symlink(entry.get(), source.content.c_str());
        } else if (source.type == AE_IFCHR) {
            archive_entry_set_rdevmajor(entry.get(), source.major);
            archive_entry_set_rdevminor(entry.get(), source.minor);
        }
        check(archive_write_header(writer.get(), entry.get()));
        if (is_file &&
            archive_write_data(writer.get(), source.content.data(), source.content.size()) !=
                static_cast<la_ssize_t>(source.content.size())) {
            check(ARCHIVE_FATAL);
        }
    }
    check(archive_write_close(writer.get()));
    return result;
}

}  // namespace skbtrail::guest
