#include "guest/elf_image.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

namespace skbtrail::guest {
namespace {

/// xen/include/public/elfnote.h: the 32-bit entry point of a PVH kernel.
constexpr unsigned xen_phys32_entry = 18;

struct EndElf {
    void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, EndElf>;

/// libelf reads the image where it stands and, opened this way, does not write to it.
ElfHandle open_elf(std::string_view image) {
    if (elf_version(EV_CURRENT) == EV_NONE || !looks_like_elf(image)) {
        return nullptr;
    }
    return ElfHandle(elf_memory(const_cast<char*>(image.data()), image.size()));
}

std::vector<GElf_Phdr> program_headers(Elf* elf) {
    std::size_t count = 0;
    std::vector<GElf_Phdr> headers;
    if (elf_getphdrnum(elf, &count) != 0) {
        return headers;
    }
    for (std::size_t i = 0; i < count; ++i) {
        GElf_Phdr header;
        if (gelf_getphdr(elf, static_cast<int>(i), &header) != nullptr) {
            headers.push_back(header);
        }
    }
    return headers;
}

/// Null when `elf` is null, or has no section of that name.
Elf_Scn* find_section(Elf* elf, std::string_view wanted) {
    std::size_t names = 0;
    if (elf == nullptr || elf_getshdrstrndx(elf, &names) != 0) {
        return nullptr;
    }
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == nullptr) {
            continue;
        }
        const char* name = elf_strptr(elf, names, header.sh_name);
        if (name != nullptr && name == wanted) {
            return section;
        }
    }
    return nullptr;
}

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    return text;
}

/// Walks one PT_NOTE segment; gelf_getnote checks every length against the segment.
void read_notes(Elf_Data* data, KernelNotes& notes) {
    const auto* bytes = static_cast<const char*>(data->d_buf);
    GElf_Nhdr note;
    std::size_t name = 0;
    std::size_t description = 0;
    std::size_t offset = 0;
    while ((offset = gelf_getnote(data, offset, &note, &name, &description)) > 0) {
        const std::string_view owner(bytes + name, note.n_namesz > 0 ? note.n_namesz - 1 : 0);
        if (owner == "GNU" && note.n_type == NT_GNU_BUILD_ID) {
            notes.build_id = hex({bytes + description, note.n_descsz});
        } else if (owner == "Xen" && note.n_type == xen_phys32_entry) {
            notes.pvh_entry = true;
        }
    }
}

}  // namespace

bool looks_like_elf(std::string_view image) {
    return image.starts_with(ELFMAG);
}

std::optional<KernelNotes> read_kernel_notes(std::string_view image) {
    const ElfHandle elf = open_elf(image);
    GElf_Ehdr header;
    if (!elf || gelf_getehdr(elf.get(), &header) == nullptr || header.e_machine != EM_X86_64) {
        return std::nullopt;
    }
    KernelNotes notes;
    for (const GElf_Phdr& segment : program_headers(elf.get())) {
        notes.end = std::max<std::uint64_t>(notes.end, segment.p_offset + segment.p_filesz);
        if (segment.p_type != PT_NOTE) {
            continue;
        }
        Elf_Data* data = elf_getdata_rawchunk(
            elf.get(), static_cast<std::int64_t>(segment.p_offset), segment.p_filesz, ELF_T_NHDR);
        if (data != nullptr) {
            read_notes(data, notes);
        }
    }
    return notes;
}

std::string without_sections(std::string_view image) {
    const auto notes = read_kernel_notes(image);
    std::string loaded(image.substr(0, notes ? notes->end : image.size()));
    if (notes && loaded.size() >= sizeof(Elf64_Ehdr)) {
        Elf64_Ehdr header;
        std::memcpy(&header, loaded.data(), sizeof header);
        header.e_shoff = 0;
        header.e_shnum = 0;
        header.e_shstrndx = SHN_UNDEF;
        std::memcpy(loaded.data(), &header, sizeof header);
    }
    return loaded;
}

std::optional<std::string> read_modinfo(std::string_view image) {
    const ElfHandle elf = open_elf(image);
    Elf_Scn* const section = find_section(elf.get(), ".modinfo");
    if (section == nullptr) {
        return std::nullopt;
    }
    const Elf_Data* data = elf_rawdata(section, nullptr);
    if (data == nullptr || data->d_buf == nullptr) {
        return std::string();
    }
    return std::string(static_cast<const char*>(data->d_buf), data->d_size);
}

bool has_debug_info(const std::filesystem::path& file) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return false;
    }
    bool found = false;
    if (elf_version(EV_CURRENT) != EV_NONE) {
        const ElfHandle elf(elf_begin(descriptor, ELF_C_READ, nullptr));
        found = find_section(elf.get(), ".debug_info") != nullptr;
    }
    ::close(descriptor);
    return found;
}

bool needs_loader(std::string_view image) {
    const ElfHandle elf = open_elf(image);
    if (!elf) {
        return false;
    }
    for (const GElf_Phdr& segment : program_headers(elf.get())) {
        if (segment.p_type == PT_INTERP) {
            return true;
        }
    }
    return false;
}

}  // namespace skbtrail::guest
