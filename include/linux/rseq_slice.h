/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_RSEQ_SLICE_H
#define _LINUX_RSEQ_SLICE_H

/*
 * Extensible rseq areas and the time slice extension: what the base calls.
 *
 * The inline functions are the tests that stand in hot paths; each calls the
 * function of the same name with two underscores when there is work to do.
 * The model is at the head of kernel/rseq_slice.c, that of the identifiers at
 * the head of kernel/rseq_area.c.
 */

#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/mm_types.h>
#include <linux/rseq_slice_types.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/topology.h>

struct ksignal;
struct mm_struct;
struct pid;
struct pid_namespace;
struct seq_file;

/* Length and alignment of the only area that a base kernel accepts. */
#define RSEQ_AREA_ORIGINAL	32U

#ifdef CONFIG_RSEQ_SLICE_EXTENSION

#define RSEQ_AREA_FLAGS		RSEQ_FLAG_SLICE_EXT_DEFAULT_ON

/* In ids.mm_cid: the kernel keeps its hands off node_id and mm_cid. */
#define RSEQ_CID_THEIRS		U32_MAX

/*
 * The features end where struct rseq does; the alignment is that size, rounded
 * up to a power of two, so that an area never straddles more cache lines than
 * it must.  Both are told to user space in the auxiliary vector.
 */
#define RSEQ_AREA_FEATURES	((unsigned int)offsetof(struct rseq, end))
#define RSEQ_AREA_ALIGN		roundup_pow_of_two(RSEQ_AREA_FEATURES)

#define rseq_area_auxv(add)					\
do {								\
	add(AT_RSEQ_FEATURE_SIZE, RSEQ_AREA_FEATURES);		\
	add(AT_RSEQ_ALIGN, RSEQ_AREA_ALIGN);			\
} while (0)

/* kernel/rseq_area.c */
bool rseq_area_valid(const struct rseq __user *rseq, u32 len);
int rseq_area_register(struct rseq __user *rseq, u32 len, int flags);
int rseq_area_reset_ids(struct task_struct *t);
void rseq_area_unregister(struct task_struct *t);
int rseq_area_update(struct task_struct *t);
void rseq_area_drop_cid(struct task_struct *t);
void rseq_area_share(struct task_struct *t);
void rseq_area_mm_init(struct mm_struct *mm);

/* kernel/rseq_slice.c */
bool rseq_slice_offered(u32 len);
void rseq_slice_forget(struct task_struct *t);
void rseq_slice_fork(struct task_struct *t, unsigned long clone_flags);
void rseq_slice_execve(struct task_struct *t);
int rseq_slice_prctl(unsigned long cmd, unsigned long arg);
void __rseq_slice_irq_exit(void);
void __rseq_slice_syscall(long nr);
int __rseq_slice_resume(struct task_struct *t, struct ksignal *ksig);
void __rseq_slice_sched_out(struct task_struct *t);
extern unsigned int rseq_slice_nsec;
extern const unsigned int rseq_slice_nsec_min;
extern const unsigned int rseq_slice_nsec_max;

/* kernel/rseq_slice_stat.c */
void rseq_slice_count_grant(struct task_struct *t);
void rseq_slice_count_refusal(struct task_struct *t, enum rseq_slice_refusal why);
void rseq_slice_count_end(struct task_struct *t, enum rseq_slice_end how, u64 used);
int proc_rseq_slice(struct seq_file *m, struct pid_namespace *ns,
		    struct pid *pid, struct task_struct *task);

/* kernel/sched/rseq_slice.c */
enum rseq_slice_refusal sched_slice_suppress(void);

/* Does the area follow the extended rules, or those of the original 32 bytes? */
static inline bool rseq_area_extended(const struct task_struct *t)
{
	return t->rseq_slice.len > RSEQ_AREA_ORIGINAL;
}

static inline u32 rseq_area_len(const struct task_struct *t)
{
	return t->rseq_slice.len;
}

/* Room behind mm_cpumask() for the bitmap of concurrency ids. */
static inline unsigned int rseq_area_mm_size(void)
{
	return cpumask_size();
}

/**
 * rseq_slice_irq_exit - Answer a request for more time when an interrupt ends in user mode
 *
 * Context: on the way from an interrupt or exception to user mode, before the
 *	    exit work; interrupts off.  Does not sleep and does not fault.
 */
static __always_inline void rseq_slice_irq_exit(void)
{
	if (likely(!test_thread_flag(TIF_NEED_RESCHED)))
		return;
	if (likely(!current->rseq_slice.enabled))
		return;
	__rseq_slice_irq_exit();
}

/**
 * rseq_slice_syscall - End a live grant at the entry of a system call
 * @ti_work:	TIF bits of the current task
 * @nr:		system call number
 *
 * Context: system call entry, before ptrace and seccomp.  May schedule.
 */
static __always_inline void rseq_slice_syscall(unsigned long ti_work, long nr)
{
	if (unlikely(ti_work & _TIF_RSEQ_SLICE))
		__rseq_slice_syscall(nr);
}

/**
 * rseq_slice_resume - Bring identifiers and slice_ctrl in line with the kernel's state
 * @t:		the current task
 * @ksig:	the signal being delivered, or NULL for other resume work
 *
 * Context: TIF_NOTIFY_RESUME work or signal delivery.  May fault.
 * Return: 0, or a negative errno when the area is out of reach or user space
 *	   changed an identifier.
 */
static inline int rseq_slice_resume(struct task_struct *t, struct ksignal *ksig)
{
	int ret = 0;

	if (likely(!t->rseq_slice.resume))
		return 0;
	if (t->rseq_slice.outdated)
		ret = rseq_area_update(t);
	if (!ret && t->rseq_slice.enabled)
		ret = __rseq_slice_resume(t, ksig);
	return ret;
}

/**
 * rseq_slice_sched_out - Give back what a task may only hold while it runs
 * @t:	the task being switched out
 *
 * Context: context switch; rq lock held, interrupts off.
 */
static inline void rseq_slice_sched_out(struct task_struct *t)
{
	if (t->rseq_slice.held.any)
		__rseq_slice_sched_out(t);
}

/**
 * rseq_slice_migrate - A task will run on another CPU
 * @t:	a task that does not run
 *
 * Context: before the task's CPU number changes; its rq lock or pi_lock held.
 */
static inline void rseq_slice_migrate(struct task_struct *t)
{
	t->rseq_slice.outdated = 1;
}

#else /* CONFIG_RSEQ_SLICE_EXTENSION */

#define RSEQ_AREA_FLAGS		0

#define rseq_area_auxv(add)	do { } while (0)

static inline bool rseq_area_extended(const struct task_struct *t)
{
	return false;
}

static inline u32 rseq_area_len(const struct task_struct *t)
{
	return RSEQ_AREA_ORIGINAL;
}

#ifdef CONFIG_RSEQ
static inline bool rseq_area_valid(const struct rseq __user *rseq, u32 len)
{
	return IS_ALIGNED((unsigned long)rseq, __alignof__(*rseq)) &&
	       len == RSEQ_AREA_ORIGINAL;
}
#endif

static inline int rseq_area_register(struct rseq __user *rseq, u32 len, int flags)
{
	return 0;
}

static inline int rseq_area_reset_ids(struct task_struct *t)
{
	return 0;
}

static inline void rseq_area_unregister(struct task_struct *t) { }

static inline void rseq_area_drop_cid(struct task_struct *t) { }

static inline void rseq_area_mm_init(struct mm_struct *mm) { }

static inline unsigned int rseq_area_mm_size(void)
{
	return 0;
}

static inline void rseq_slice_fork(struct task_struct *t, unsigned long clone_flags) { }

static inline void rseq_slice_execve(struct task_struct *t) { }

static inline int rseq_slice_prctl(unsigned long cmd, unsigned long arg)
{
	return -EINVAL;
}

static inline void rseq_slice_irq_exit(void) { }

static inline void rseq_slice_syscall(unsigned long ti_work, long nr) { }

static inline int rseq_slice_resume(struct task_struct *t, struct ksignal *ksig)
{
	return 0;
}

static inline void rseq_slice_sched_out(struct task_struct *t) { }

static inline void rseq_slice_migrate(struct task_struct *t) { }

#endif /* !CONFIG_RSEQ_SLICE_EXTENSION */
#endif /* _LINUX_RSEQ_SLICE_H */
