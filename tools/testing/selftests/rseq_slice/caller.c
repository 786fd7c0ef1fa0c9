// SPDX-License-Identifier: GPL-2.0
/*
 * A program of the i386 or the x32 ABI that asks for time slice extensions. It
 * needs no libc, as there may be none: gcc -m32 or -mx32, -nostdlib.
 *
 * Somebody else has to wake up on its CPU all the time. Its exit status is 0
 * when it ended a grant by a yield, or the number of the step that failed. An
 * i386 program yields through the vDSO, that is by SYSENTER where there is one.
 *
 * With an argument it registers an original area instead, and looks whether the
 * kernel changes a byte there that is not its own.
 */

#define SIG		0x53053053
#define LEN		33
#define LEN_OLD		32
#define FLAG_OFF	1
#define FLAG_ON		2

#define AT_SYSINFO	32
#define AT_FEATURES	27
#define AT_ALIGN	28

#define PR_SLICE	79
#define NR_SLICE_YIELD	471

typedef unsigned int u32;

struct area {
	u32			cpu_id_start, cpu_id;
	unsigned long long	rseq_cs;
	u32			flags, node_id, mm_cid;
	volatile unsigned char	request, granted;
	unsigned short		reserved;
	unsigned char		rest[32];
} __attribute__((aligned(64)));

static struct area area;
static u32 vsyscall;

#ifdef __i386__

#define NR_EXIT		1
#define NR_FORK		2
#define NR_WAIT4	114
#define NR_SCHED_YIELD	158
#define NR_PRCTL	172
#define NR_SETAFFINITY	241
#define NR_RSEQ		386

static long call(long nr, long a, long b, long c, long d)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a" (ret)
			 : "a" (nr), "b" (a), "c" (b), "d" (c), "S" (d), "D" (0)
			 : "memory");
	return ret;
}

static long yield(void)
{
	long ret;

	if (!vsyscall)
		return call(NR_SLICE_YIELD, 0, 0, 0, 0);
	__asm__ volatile("call *%1" : "=a" (ret)
			 : "m" (vsyscall), "0" (NR_SLICE_YIELD)
			 : "memory", "ecx", "edx");
	return ret;
}

#else /* x32 */

#define X32		0x40000000
#define NR_SCHED_YIELD	(24 | X32)
#define NR_FORK		(57 | X32)
#define NR_EXIT		(60 | X32)
#define NR_WAIT4	(61 | X32)
#define NR_PRCTL	(157 | X32)
#define NR_SETAFFINITY	(203 | X32)
#define NR_RSEQ		(334 | X32)

/* A stack is above 2 GiB, and long has 32 bits. */
static long long wide(long value)
{
	return (u32)value;
}

static long call(long nr, long a, long b, long c, long d)
{
	register long long r10 __asm__("r10") = wide(d);
	register long long r8 __asm__("r8") = 0;
	long long ret;

	__asm__ volatile("syscall" : "=a" (ret)
			 : "a" (wide(nr)), "D" (wide(a)), "S" (wide(b)), "d" (wide(c)),
			   "r" (r10), "r" (r8)
			 : "memory", "rcx", "r11");
	return ret;
}

static long yield(void)
{
	return call(NR_SLICE_YIELD | X32, 0, 0, 0, 0);
}

#endif

static void leave(int status)
{
	for (;;)
		call(NR_EXIT, status, 0, 0, 0);
}

static u32 auxv(u32 *pair, u32 type)
{
	for (; pair[0]; pair += 2)
		if (pair[0] == type)
			return pair[1];
	return 0;
}

/* Ask, wait for the answer, give back. */
static long try(void)
{
	area.request = 1;
	for (u32 i = 0; i < 3000000 && area.request; i++)
		__asm__ volatile("" ::: "memory");
	area.request = 0;
	__asm__ volatile("" ::: "memory");
	return area.granted ? yield() : 0;
}

static unsigned char pattern(int i)
{
	return 0x80 + i;
}

static int pattern_broken(void)
{
	volatile unsigned char *bytes = (unsigned char *)&area;

	for (int i = 8; i < 64; i++)
		if (bytes[i] != (i < 20 ? 0 : pattern(i)))
			return 1;
	return 0;
}

/* Original areas keep what is in them, on each CPU and across a fork. */
static void keep_pattern(void)
{
	u32 mask, status;
	long pid;

	for (int i = 0; i < 64; i++)
		((volatile unsigned char *)&area)[i] = i >= 8 && i < 20 ? 0 : pattern(i);
	if (call(NR_RSEQ, (long)&area, LEN_OLD, 0, SIG))
		leave(20);
	/* A kernel that lets original areas opt in says so in the flags. */
	area.flags &= ~0x10;
	if (pattern_broken())
		leave(21);
	for (mask = 1; mask < 16; mask *= 2) {
		/* There may be fewer CPUs. */
		call(NR_SETAFFINITY, 0, sizeof(mask), (long)&mask, 0);
		call(NR_SCHED_YIELD, 0, 0, 0, 0);
		if (pattern_broken())
			leave(22);
		pid = call(NR_FORK, 0, 0, 0, 0);
		if (!pid) {
			call(NR_SCHED_YIELD, 0, 0, 0, 0);
			leave(pattern_broken());
		}
		if (pid < 0 || call(NR_WAIT4, pid, (long)&status, 0, 0) != pid || status)
			leave(23);
		if (pattern_broken())
			leave(24);
	}
	if (call(NR_RSEQ, (long)&area, LEN_OLD, FLAG_OFF, SIG))
		leave(25);
	if (pattern_broken() || area.cpu_id_start || area.cpu_id != -1U)
		leave(26);
	leave(0);
}

/* @sp: argc, argv, NULL, environment, NULL, auxiliary vector. */
__attribute__((noreturn, used)) void run(u32 *sp)
{
	u32 *vector = sp + 1 + sp[0] + 1;

	if (sp[0] > 1)
		keep_pattern();

	while (*vector++)
		;
	vsyscall = auxv(vector, AT_SYSINFO);

	if (auxv(vector, AT_FEATURES) != LEN || auxv(vector, AT_ALIGN) != 64)
		leave(10);
	if (call(NR_RSEQ, (long)&area, LEN, FLAG_ON, SIG))
		leave(11);
	if (area.flags != 0x30)
		leave(12);
	if (call(NR_PRCTL, PR_SLICE, 1, 0, 0) != 1)
		leave(13);
	if (yield())
		leave(14);
	for (int i = 0; i < 1000; i++) {
		long gave = try();

		if (gave < 0 || gave > 1)
			leave(15);
		if (*(volatile u32 *)&area.request)
			leave(16);
		if (gave)
			leave(0);
	}
	leave(17);
	__builtin_unreachable();
}

#ifdef __i386__
__asm__(".globl _start\n_start:\n\tmov %esp, %eax\n\tand $-16, %esp\n"
	"\tsub $12, %esp\n\tpush %eax\n\tcall run\n");
#else
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall run\n");
#endif
