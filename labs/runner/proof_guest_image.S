// Carries the linked proof_guest.elf in the program's read-only data.

    .section .rodata
    .global skbtrail_proof_guest_begin
    .global skbtrail_proof_guest_end
skbtrail_proof_guest_begin:
    .incbin PROOF_GUEST_ELF
skbtrail_proof_guest_end:
    .section .note.GNU-stack, "", @progbits
