/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/note.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json.h"

#define NOTE_MAX_BYTES 65536u
#define NOTE_TYPE      1u

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OWN_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define OWN_MACHINE EM_PPC64
#elif defined(__s390x__)
#define OWN_MACHINE EM_S390
#else
#define OWN_MACHINE EM_NONE /* not checked */
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_DATA ELFDATA2LSB
#else
#define OWN_DATA ELFDATA2MSB
#endif

/* n bytes at off, or {NULL, 0}: the one place that decides what is inside the file. */
static str part(str bytes, uint64_t off, uint64_t n) {
    if (off > bytes.len || n > bytes.len - off) {
        return STR_NONE;
    }
    return str_n(bytes.ptr + off, (size_t)n);
}

static bool copy(str bytes, uint64_t off, void *ret, size_t n) {
    str p = part(bytes, off, n);
    if (!p.ptr) {
        return false;
    }
    memcpy(ret, p.ptr, n);
    return true;
}

static int read_header(const char *what, str bytes, Elf64_Ehdr *h, struct err *err) {
    unsigned char ident[EI_NIDENT];
    if (!copy(bytes, 0, ident, sizeof(ident)) || memcmp(ident, ELFMAG, SELFMAG) != 0) {
        return err_set(err, TRL_E_INVALID, "%s: not a shared library (no ELF header)", what);
    }
    if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != OWN_DATA) {
        return err_set(err, TRL_E_INVALID,
                       "%s: built for another kind of machine (word size or byte "
                       "order)",
                       what);
    }
    if (!copy(bytes, 0, h, sizeof(*h))) {
        return err_set(err, TRL_E_INVALID, "%s: cut off within its ELF header", what);
    }
    if (h->e_type != ET_DYN) {
        return err_set(err, TRL_E_INVALID, "%s: an ELF file, but no shared library", what);
    }
    if (OWN_MACHINE != EM_NONE && h->e_machine != OWN_MACHINE) {
        return err_set(err, TRL_E_INVALID,
                       "%s: built for another machine (ELF machine %u, this is "
                       "%u)",
                       what, h->e_machine, (unsigned)OWN_MACHINE);
    }
    return 0;
}

/* Walks one run of notes. True when ours is there. */
static bool walk_notes(str notes, str *ret) {
    uint64_t at = 0;
    Elf64_Nhdr n;
    while (copy(notes, at, &n, sizeof(n))) {
        uint64_t name = at + sizeof(n);
        uint64_t desc = name + (((uint64_t)n.n_namesz + 3u) & ~3ull);
        str d = part(notes, desc, n.n_descsz);
        str nm = part(notes, name, n.n_namesz);
        if (!d.ptr || !nm.ptr) {
            return false;
        }
        if (n.n_type == NOTE_TYPE && nm.len == 4 && memcmp(nm.ptr, "TRL", 4) == 0) {
            while (d.len && d.ptr[d.len - 1] == '\0') {
                d.len--;
            }
            *ret = d;
            return true;
        }
        at = desc + (((uint64_t)n.n_descsz + 3u) & ~3ull);
    }
    return false;
}

int note_find(const char *what, str bytes, str *ret, struct err *err) {
    Elf64_Ehdr h;
    int rc = read_header(what, bytes, &h, err);
    if (rc < 0) {
        return rc;
    }
    if (h.e_phentsize != sizeof(Elf64_Phdr)) {
        return err_set(err, TRL_E_INVALID, "%s: damaged (size of program headers)", what);
    }
    for (uint32_t i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr p;
        if (h.e_phoff > bytes.len ||
            !copy(bytes, h.e_phoff + (uint64_t)i * sizeof(p), &p, sizeof(p))) {
            return err_set(err, TRL_E_INVALID, "%s: cut off within its program headers", what);
        }
        if (p.p_type != PT_NOTE) {
            continue;
        }
        str notes = part(bytes, p.p_offset, p.p_filesz);
        if (!notes.ptr) {
            return err_set(err, TRL_E_INVALID, "%s: cut off before its notes", what);
        }
        if (walk_notes(notes, ret)) {
            return ret->len <= NOTE_MAX_BYTES
                       ? 0
                       : err_set(err, TRL_E_INVALID, "%s: its plugin note is too large", what);
        }
    }
    return err_set(err, TRL_E_INVALID,
                   "%s: has no plugin note: not a Trellis plugin, or it was built without the "
                   "TRL_PLUGIN macro",
                   what);
}

static bool find_section(str bytes, const Elf64_Ehdr *h, uint32_t type, Elf64_Shdr *ret) {
    if (h->e_shentsize != sizeof(*ret) || h->e_shoff > bytes.len) {
        return false;
    }
    for (uint32_t i = 0; i < h->e_shnum; i++) {
        if (!copy(bytes, h->e_shoff + (uint64_t)i * sizeof(*ret), ret, sizeof(*ret))) {
            return false;
        }
        if (ret->sh_type == type) {
            return true;
        }
    }
    return false;
}

bool note_extra_export(str bytes, str *ret) {
    Elf64_Ehdr h;
    Elf64_Shdr syms, names;
    if (read_header("", bytes, &h, NULL) < 0 || !find_section(bytes, &h, SHT_DYNSYM, &syms) ||
        syms.sh_link >= h.e_shnum ||
        !copy(bytes, h.e_shoff + (uint64_t)syms.sh_link * sizeof(names), &names, sizeof(names))) {
        return false;
    }
    str table = part(bytes, syms.sh_offset, syms.sh_size);
    str text = part(bytes, names.sh_offset, names.sh_size);
    for (uint64_t at = 0; table.ptr && text.ptr && at + sizeof(Elf64_Sym) <= table.len;
         at += sizeof(Elf64_Sym)) {
        Elf64_Sym s;
        memcpy(&s, table.ptr + at, sizeof(s));
        unsigned bind = ELF64_ST_BIND(s.st_info), vis = ELF64_ST_VISIBILITY(s.st_other);
        if (s.st_shndx == SHN_UNDEF || s.st_shndx == SHN_ABS || bind == STB_LOCAL ||
            vis == STV_HIDDEN || vis == STV_INTERNAL || s.st_name >= text.len) {
            continue;
        }
        str name = str_skip(text, s.st_name);
        name.len = strnlen(name.ptr, name.len);
        if (!str_is(name, "trl_plugin_entry")) {
            *ret = name;
            return true;
        }
    }
    return false;
}

static bool small_number(const struct node *o, const char *key, uint32_t *ret) {
    uint64_t v;
    if (!node_u64(node_get(o, key), &v) || v > UINT16_MAX) {
        return false;
    }
    *ret = (uint32_t)v;
    return true;
}

int note_parse(const char *what, str json, struct arena *a, struct note_info *ret,
               struct err *err) {
    struct node *o;
    int rc = json_parse(json, a, &o, err);
    if (rc < 0) {
        err_wrap(err, "%s: its plugin note is no JSON", what);
        return rc;
    }
    ret->id = node_text(o, "id", STR_NONE);
    ret->version = node_text(o, "version", STR_NONE);
    if (o->type != NODE_OBJECT || !ret->id.len || !ret->version.len ||
        !small_number(o, "abi_major", &ret->abi_major) ||
        !small_number(o, "abi_minor_built", &ret->abi_minor_built) ||
        !small_number(o, "abi_minor_needed", &ret->abi_minor_needed)) {
        return err_set(err, TRL_E_INVALID,
                       "%s: its plugin note lacks id, version, abi_major, abi_minor_built or "
                       "abi_minor_needed",
                       what);
    }
    return 0;
}

int note_read_file(const char *what, int fd, struct buf *ret, struct err *err) {
    struct stat st;
    char chunk[65536];
    if (fstat(fd, &st) < 0) {
        return err_set(err, TRL_E_INTERNAL, "%s: cannot be examined: %s", what, strerror(errno));
    }
    if ((uint64_t)st.st_size > NOTE_FILE_MAX_BYTES) {
        return err_set(err, TRL_E_INVALID, "%s: larger than %u MiB, which no plugin is", what,
                       NOTE_FILE_MAX_BYTES >> 20);
    }
    for (off_t at = 0;;) {
        ssize_t n = pread(fd, chunk, sizeof(chunk), at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_set(err, TRL_E_INTERNAL, "%s: cannot be read: %s", what, strerror(errno));
        }
        if (n == 0 || (uint64_t)at > NOTE_FILE_MAX_BYTES) {
            return 0;
        }
        buf_add(ret, chunk, (size_t)n);
        at += n;
    }
}
