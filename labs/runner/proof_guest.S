// The tiny guest that proves an accelerator: it does what every kernel does in its first
// milliseconds and then says so, so that an accelerator which opens, creates a virtual machine and
// runs firmware, but not a kernel, is found out in a fraction of a second.
//
// QEMU starts it by the PVH entry (Xen's HVM direct boot ABI), the way our real kernels are
// started: firmware in real mode, then 32-bit protected mode without paging at `start`. From there:
// page tables, long mode, a second mapping of a page checked against the first, an exception taken
// and returned from, a mapping changed and seen to change. The last act is a write to QEMU's
// isa-debug-exit device: QEMU then exits with status (value << 1) | 1. See accelerator.cpp.

#define DEBUG_EXIT_PORT 0xf4
#define EXIT_PROVED     0x21        /* QEMU exits with 67 */
#define EXIT_WRONG      0x22        /* QEMU exits with 69: it ran, and computed something else */
#define TEST_MAPPING    0x40000000  /* 1 GiB: the first address beyond the identity map */

    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18              // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long start

    .section .text
    .code32
    .global start
start:
    cli
    mov $stack_top, %esp

    // The first GiB, identity mapped by 512 pages of 2 MiB; behind it one page of 2 MiB that maps
    // the first 2 MiB a second time.
    mov $page_directory, %edi
    mov $0x83, %eax             // present, writable, large
    mov $512, %ecx
1:  mov %eax, (%edi)
    movl $0, 4(%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    movl $0x83, second_directory
    movl $(page_directory + 3), pointers
    movl $(second_directory + 3), pointers + 8
    movl $(pointers + 3), top

    mov %cr4, %eax
    or $0x20, %eax              // PAE
    mov %eax, %cr4
    mov $top, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx       // EFER
    rdmsr
    or $0x100, %eax             // LME
    wrmsr
    mov %cr0, %eax
    or $0x80010001, %eax        // PG, WP, PE
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $0x08, $long_mode

    .code64
long_mode:
    mov $0x10, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $stack_top, %rsp

    // One page seen through two mappings.
    mov $0x1122334455667788, %rax
    mov %rax, probe_word
    mov $(TEST_MAPPING + probe_word), %rbx
    cmp %rax, (%rbx)
    jne wrong

    // An exception, and the way back from it.
    mov $breakpoint, %eax
    mov %ax, idt + 3 * 16       // offset 15:0; the handler lies below 4 GiB
    shr $16, %eax
    mov %ax, idt + 3 * 16 + 6   // offset 31:16
    movw $0x08, idt + 3 * 16 + 2
    movw $0x8e00, idt + 3 * 16 + 4
    lidt idt_pointer
    int3
    cmpq $1, exceptions
    jne wrong

    // The second mapping now leads elsewhere, and the processor has to notice.
    movl $0x200083, second_directory
    invlpg (%rbx)
    movq $0, (%rbx)
    mov probe_word, %rcx
    mov $0x1122334455667788, %rax
    cmp %rax, %rcx
    jne wrong

    mov $EXIT_PROVED, %eax
    jmp leave
wrong:
    mov $EXIT_WRONG, %eax
leave:
    mov $DEBUG_EXIT_PORT, %dx
    out %eax, %dx
1:  hlt
    jmp 1b

breakpoint:
    incq exceptions
    iretq

    .section .data
    .align 8
gdt:
    .quad 0
    .quad 0x00af9a000000ffff    // code, 64 bit
    .quad 0x00cf92000000ffff    // data
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt
    .align 8
idt_pointer:
    .word idt_end - idt - 1
    .quad idt

    .section .bss
    .align 4096
top:              .skip 4096
pointers:         .skip 4096
page_directory:   .skip 4096
second_directory: .skip 4096
idt:              .skip 32 * 16
idt_end:
probe_word:       .skip 8
exceptions:       .skip 8
    .align 16
                  .skip 4096
stack_top:

    .section .note.GNU-stack, "", @progbits
