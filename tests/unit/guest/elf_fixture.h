// Small ELF files and kernel images, made up for tests.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <elf.h>

namespace skbtrail::guest {

template <typename Record>
std::string bytes_of(const Record& record) {
    std::string bytes(sizeof record, '\0');
    std::memcpy(bytes.data(), &record, sizeof record);
    return bytes;
}

inline std::string elf_note(std::string name, unsigned type, std::string description) {
    Elf64_Nhdr header{.n_namesz = static_cast<unsigned>(name.size() + 1),
                      .n_descsz = static_cast<unsigned>(description.size()),
                      .n_type = type};
    name.resize((name.size() + 4) / 4 * 4, '\0');
    description.resize((description.size() + 3) / 4 * 4, '\0');
    return bytes_of(header) + name + description;
}

struct ElfSegment {
    unsigned type;
    std::string content;
};
struct ElfSection {
    std::string name;
    std::string content;
};

inline std::string make_elf(unsigned type, const std::vector<ElfSegment>& segments,
                            const std::vector<ElfSection>& sections = {}) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = static_cast<Elf64_Half>(type);
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_phnum = static_cast<Elf64_Half>(segments.size());
    header.e_phoff = segments.empty() ? 0 : sizeof header;

    std::string body;
    std::string program_headers;
    const std::size_t start = sizeof header + segments.size() * sizeof(Elf64_Phdr);
    for (const ElfSegment& segment : segments) {
        Elf64_Phdr program{};
        program.p_type = segment.type;
        program.p_offset = start + body.size();
        program.p_filesz = program.p_memsz = segment.content.size();
        program.p_align = 4;
        program_headers += bytes_of(program);
        body += segment.content;
        body.resize((body.size() + 7) / 8 * 8, '\0');
    }
    std::string section_headers;
    if (!sections.empty()) {
        std::string names(1, '\0');
        section_headers = bytes_of(Elf64_Shdr{});
        std::vector<ElfSection> all = sections;
        all.push_back({".shstrtab", {}});
        for (ElfSection& section : all) {
            Elf64_Shdr description{};
            description.sh_name = static_cast<Elf64_Word>(names.size());
            names += section.name + '\0';
            const bool is_names = &section == &all.back();
            const std::string& content = is_names ? names : section.content;
            description.sh_type = is_names ? SHT_STRTAB : SHT_PROGBITS;
            description.sh_offset = start + body.size();
            description.sh_size = content.size();
            description.sh_addralign = 1;
            section_headers += bytes_of(description);
            body += content;
        }
        body.resize((body.size() + 7) / 8 * 8, '\0');
        header.e_shoff = start + body.size();
        header.e_shnum = static_cast<Elf64_Half>(all.size() + 1);
        header.e_shstrndx = static_cast<Elf64_Half>(all.size());
    }
    return bytes_of(header) + program_headers + body + section_headers;
}

/// A kernel image that says all it has to.
inline std::string make_vmlinux(const std::string& release, bool pvh = true) {
    std::string notes = elf_note("GNU", NT_GNU_BUILD_ID, std::string("\x01\xab\x00\xff", 4));
    if (pvh) {
        notes += elf_note("Xen", 18, std::string("\0\0\0\1", 4));
    }
    return make_elf(ET_EXEC,
                    {{PT_LOAD, "Linux version %s (%s)" + std::string(1, '\0') + "Linux version " +
                                   release + " (somebody@somewhere) #1 SMP\n"},
                     {PT_NOTE, notes}});
}

inline std::string make_module(const std::string& modinfo) {
    return make_elf(ET_REL, {}, {{".text", "code"}, {".modinfo", modinfo}});
}

}  // namespace skbtrail::guest
