/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest of its own to test `count` with: what each vCPU executes is known to the instruction.
 *
 * The first vCPU counts (A) a loop of 1000 times two instructions and (B) the same with the second
 * vCPU woken in between, which executes 10 + 2 * LOOPS instructions and halts.  All others stay
 * halted.  Numbers of the spans: 0xa and 0xb.  (C), number 0xc, has nothing between its markers.
 *
 * Multiboot, 32 bits; ends by writing to the debug exit device at port 0xf4.
 */
#define LOOPS		500
#define LAPIC_ICR_LOW	0xfee00300
#define LAPIC_ICR_HIGH	0xfee00310
#define SECOND		0x8000		/* where the second vCPU starts, in real mode */
#define DONE		0x9000		/* a word that it sets */

#define BEGIN		.byte 0x66, 0x87, 0xdb
#define END		.byte 0x66, 0x87, 0xc9

	.text
	.align 4
	.long 0x1badb002, 0, -0x1badb002

	.globl _start
_start:
	cli
	movl $0xc, %edi
	BEGIN
	END

	movl $0xa, %edi
	movl $1000, %ecx
	BEGIN
1:	decl %ecx
	jnz 1b
	END

	movl $0, DONE
	movl $second, %esi
	movl $SECOND, %edi
	movl $(second_end - second), %ecx
	rep movsb
	/* INIT; then the page to start at */
	movl $0x01000000, LAPIC_ICR_HIGH
	movl $0x00004500, LAPIC_ICR_LOW
	movl $0xb, %edi
	BEGIN
	movl $0x01000000, LAPIC_ICR_HIGH
	movl $(0x00004600 | SECOND >> 12), LAPIC_ICR_LOW
2:	pause
	cmpl $0, DONE
	je 2b
	/* it has to have come to its halt: what it does after DONE is one instruction */
	movl $100000, %ecx
3:	pause
	decl %ecx
	jnz 3b
	END

	movw $0xf4, %dx
	movb $0, %al
	outb %al, %dx
	hlt

	.code16
second:
	cli				/* 1 */
	xorw %ax, %ax			/* 2 */
	movw %ax, %ds			/* 3 */
	movw $LOOPS, %cx		/* 4 */
4:	decw %cx
	jnz 4b
	nop				/* 5 */
	nop				/* 6 */
	nop				/* 7 */
	nop				/* 8 */
	movw $1, DONE			/* 9 */
	hlt				/* 10 */
second_end:
