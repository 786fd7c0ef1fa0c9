// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: interruptions, counted by the task that they hit.
 *
 *			What counts
 *
 * An interruption takes the CPU from user mode and ends with the return to it.
 * System calls are none: the task asked for them.  Neither is what happens
 * while the task is in the kernel for another reason, such as an interrupt
 * during a system call.
 *
 *	count = interrupts and exceptions from user mode + NMIs from user mode
 *
 * Counting begins with the first return that quiesces, and ends with the last.
 *
 *			How the reason is found
 *
 * No handler says what it is for.  At the entry the interrupt counts of the CPU
 * are noted, before the handler adds to them; what has changed until the return
 * is what happened.  It may be more than one thing, and all of them are told:
 * the sum over the reasons may exceed the count.  A task that comes back on
 * another CPU cannot tell what hit it on the old one.
 *
 * Function calls of other CPUs are noted by the sender, in the state of the task
 * that is current there: the last few, with what was called and by whom.  Some
 * come while the task is in the kernel, and interrupt nothing.
 *
 * NMIs do not pass through the return path of interrupts.  They leave a count
 * behind, which the next return takes.
 *
 *			Who writes what
 *
 *	interrupted, entry	task_isolation_irq_enter(), current, interrupts off
 *	nmis			task_isolation_nmi_enter(), NMI on top of current;
 *				taken by the return, with an atomic exchange
 *	breaks			the return, current, interrupts off
 *
 *	senders			whoever sends a function call to the CPU, under a lock
 *
 * Readers in /proc run beside that.  They see each word whole, not all of them
 * of the same moment.  Sums over a family are under its lock.
 */

#include <linux/capability.h>
#include <linux/kernel_stat.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include <asm/task_isolation.h>
#include <trace/events/isolation.h>

#include "task_isolation.h"

static_assert(ISOL_NR_REASONS <= ISOL_MAX_REASONS);
static_assert(sizeof(struct isol_breaks) == ISOL_BREAKS_SIZE_VER0);

/* Lengths below 1 << HIST_SHIFT ns are not told apart. */
#define HIST_SHIFT	10

static const char * const reason_names[ISOL_NR_REASONS] = {
	[ISOL_BREAK_TIMER]	= "timer",
	[ISOL_BREAK_RESCHED]	= "resched",
	[ISOL_BREAK_CALL]	= "call",
	[ISOL_BREAK_TLB]	= "tlb",
	[ISOL_BREAK_IRQ_WORK]	= "irq_work",
	[ISOL_BREAK_DEVICE]	= "device",
	[ISOL_BREAK_NMI]	= "nmi",
	[ISOL_BREAK_FAULT]	= "fault",
	[ISOL_BREAK_SWITCH]	= "switch",
	[ISOL_BREAK_MIGRATE]	= "migrate",
	[ISOL_BREAK_OTHER]	= "other",
};

/* Words that their task may be changing meanwhile. */
static u64 peek(const u64 *word)
{
	return READ_ONCE(*word);
}

static void add(u64 *word, u64 n)
{
	WRITE_ONCE(*word, *word + n);
}

static void look_around(struct isolation_entry *now)
{
	now->cpu = smp_processor_id();
	arch_isolation_irqs(now->irqs);
	now->irqs[ISOL_BREAK_DEVICE] = kstat_cpu_irqs_sum(now->cpu);
	now->faults = current->min_flt + current->maj_flt;
	now->switches = current->nvcsw + current->nivcsw;
}

/**
 * __task_isolation_irq_enter - Note the moment when user mode lost the CPU
 *
 * Context: interrupts off.
 */
void __task_isolation_irq_enter(void)
{
	struct task_isolation *iso = isolation_of(current);

	if (!iso->away)
		return;

	iso->entry.ns = ktime_get_ns();
	look_around(&iso->entry);
	iso->interrupted = true;
}

/**
 * __task_isolation_nmi_enter - Note that an NMI took the CPU from user mode
 *
 * Context: NMI.
 */
void __task_isolation_nmi_enter(void)
{
	struct task_isolation *iso = isolation_of(current);

	WRITE_ONCE(iso->nmis, iso->nmis + 1);
}

/**
 * __task_isolation_sent - Note who has a function called on another CPU
 * @cpu:	the other CPU
 * @func:	the function
 *
 * Context: any but NMI; preemption off.
 */
void __task_isolation_sent(int cpu, smp_call_func_t func)
{
	struct isolation_sender *sender;
	struct task_isolation *iso;
	unsigned long flags;

	/* A CPU that dies calls the one that waits for that when RCU has left it. */
	if (cpu_is_offline(raw_smp_processor_id()))
		return;

	rcu_read_lock();
	iso = isolation_on(cpu);
	if (iso) {
		raw_spin_lock_irqsave(&iso->senders_lock, flags);
		sender = &iso->senders[iso->sent++ % ISOLATION_SENDERS];
		sender->ns = ktime_get_ns();
		sender->func = func;
		sender->pid = task_pid_nr(current);
		memcpy(sender->comm, current->comm, sizeof(sender->comm));
		raw_spin_unlock_irqrestore(&iso->senders_lock, flags);
		trace_isolation_call(cpu, func);
	}
	rcu_read_unlock();
}

static u32 reasons_since(const struct isolation_entry *then)
{
	struct isolation_entry now = { };
	u32 reasons = 0;
	int i;

	look_around(&now);

	if (now.cpu != then->cpu)
		reasons |= BIT(ISOL_BREAK_MIGRATE);
	if (now.switches != then->switches)
		reasons |= BIT(ISOL_BREAK_SWITCH);
	if (now.faults != then->faults)
		reasons |= BIT(ISOL_BREAK_FAULT);
	for (i = 0; i < ISOL_NR_REASONS && now.cpu == then->cpu; i++)
		if (now.irqs[i] != then->irqs[i])
			reasons |= BIT(i);

	return reasons ?: BIT(ISOL_BREAK_OTHER);
}

static void count(struct isol_breaks *breaks, u32 reasons)
{
	int i;

	add(&breaks->count, 1);
	WRITE_ONCE(breaks->last_reasons, reasons);
	for (i = 0; i < ISOL_NR_REASONS; i++)
		if (reasons & BIT(i))
			add(&breaks->reasons[i], 1);
}

static void count_length(struct isol_breaks *breaks, u64 ns)
{
	u64 shifted = ns >> HIST_SHIFT;

	add(&breaks->total_ns, ns);
	if (ns > breaks->longest_ns)
		WRITE_ONCE(breaks->longest_ns, ns);
	add(&breaks->hist[min(shifted ? ilog2(shifted) + 1 : 0, ISOL_NR_LENGTHS - 1)], 1);
}

/**
 * isolation_account - Count what ended the last stay in user mode
 * @iso:	state of the current task
 *
 * Context: on the way to user mode; interrupts off.
 * Return: whether it was an interruption.
 */
bool isolation_account(struct task_isolation *iso)
{
	unsigned int nmis = xchg(&iso->nmis, 0);
	bool broken = nmis;
	u32 reasons;
	u64 ns;

	for (; nmis; nmis--) {
		count(&iso->breaks, BIT(ISOL_BREAK_NMI));
		trace_isolation_break(BIT(ISOL_BREAK_NMI), 0);
	}

	if (iso->interrupted) {
		ns = ktime_get_ns() - iso->entry.ns;
		reasons = reasons_since(&iso->entry);
		count(&iso->breaks, reasons);
		count_length(&iso->breaks, ns);
		trace_isolation_break(reasons, ns);
		broken = true;
	} else if (iso->away) {
		add(&iso->breaks.syscalls, 1);
	}

	iso->interrupted = false;
	iso->away = false;

	return broken;
}

/**
 * isolation_read_breaks - Copy counts that their task may be changing
 * @to:		where to
 * @from:	the counts
 */
void isolation_read_breaks(struct isol_breaks *to, const struct isol_breaks *from)
{
	int i;

	memset(to, 0, sizeof(*to));
	to->size = sizeof(*to);
	to->last_reasons = READ_ONCE(from->last_reasons);
	to->count = peek(&from->count);
	to->syscalls = peek(&from->syscalls);
	to->total_ns = peek(&from->total_ns);
	to->longest_ns = peek(&from->longest_ns);
	for (i = 0; i < ISOL_NR_REASONS; i++)
		to->reasons[i] = peek(&from->reasons[i]);
	for (i = 0; i < ISOL_NR_LENGTHS; i++)
		to->hist[i] = peek(&from->hist[i]);
}

/**
 * isolation_add_up - Add the counts of one task to those of several
 * @to:		the sum
 * @from:	the task's, which no longer change
 *
 * Context: the caller keeps others from @to.
 */
void isolation_add_up(struct isol_breaks *to, const struct isol_breaks *from)
{
	int i;

	to->count += from->count;
	to->syscalls += from->syscalls;
	to->total_ns += from->total_ns;
	to->longest_ns = max(to->longest_ns, from->longest_ns);
	for (i = 0; i < ISOL_NR_REASONS; i++)
		to->reasons[i] += from->reasons[i];
	for (i = 0; i < ISOL_NR_LENGTHS; i++)
		to->hist[i] += from->hist[i];
}

static void show_breaks(struct seq_file *m, const char *whose, const struct isol_breaks *breaks)
{
	int i;

	seq_printf(m, "%sbreaks: %llu\n", whose, breaks->count);
	seq_printf(m, "%ssyscalls: %llu\n", whose, breaks->syscalls);
	seq_printf(m, "%stotal_ns: %llu\n", whose, breaks->total_ns);
	seq_printf(m, "%slongest_ns: %llu\n", whose, breaks->longest_ns);
	for (i = 0; i < ISOL_NR_REASONS; i++)
		seq_printf(m, "%sbreaks_%s: %llu\n", whose, reason_names[i], breaks->reasons[i]);
	for (i = 0; i < ISOL_NR_LENGTHS - 1; i++)
		seq_printf(m, "%sbelow_%lu_ns: %llu\n", whose, BIT(HIST_SHIFT + i),
			   breaks->hist[i]);
	seq_printf(m, "%slonger: %llu\n", whose, breaks->hist[i]);
}

static void show_notify(struct seq_file *m, const struct task_isolation *iso)
{
	int signal = READ_ONCE(iso->signal);

	if (signal)
		seq_printf(m, "notify: signal %d\n", signal);
	else
		seq_printf(m, "notify: %s\n", READ_ONCE(iso->eventfd) ? "eventfd" : "none");
}

/* They name tasks of others, so they are for those who may trace the system. */
static void show_senders(struct seq_file *m, struct task_isolation *iso)
{
	struct isolation_sender senders[ISOLATION_SENDERS], *sender;
	u64 sent, i;

	raw_spin_lock_irq(&iso->senders_lock);
	memcpy(senders, iso->senders, sizeof(senders));
	sent = iso->sent;
	raw_spin_unlock_irq(&iso->senders_lock);

	seq_printf(m, "calls: %llu\n", sent);
	for (i = sent > ISOLATION_SENDERS ? sent - ISOLATION_SENDERS : 0; i < sent; i++) {
		sender = &senders[i % ISOLATION_SENDERS];
		seq_printf(m, "call: %llu %ps %d ", sender->ns, sender->func, sender->pid);
		seq_escape_mem_ascii(m, sender->comm, strnlen(sender->comm, sizeof(sender->comm)));
		seq_putc(m, '\n');
	}
}

/**
 * proc_task_isolation - Show /proc/PID/task/TID/isolation
 * @m:		where to
 * @ns:		unused
 * @pid:	unused
 * @task:	the thread
 *
 * Return: 0, or -EACCES for those who may not trace the thread.
 */
int proc_task_isolation(struct seq_file *m, struct pid_namespace *ns,
			struct pid *pid, struct task_struct *task)
{
	struct isolation_family *family;
	struct task_isolation *iso;
	struct isol_breaks breaks;
	unsigned long refused;
	unsigned int exited;

	if (!ptrace_may_access(task, PTRACE_MODE_READ_FSCREDS))
		return -EACCES;

	/* There as long as the task is, to which our caller has a reference. */
	iso = isolation_of(task);
	if (!iso) {
		seq_puts(m, "features: 0x0\n");
		return 0;
	}

	seq_printf(m, "features: 0x%x\n", READ_ONCE(iso->features));
	seq_printf(m, "quiesce: 0x%x\n", READ_ONCE(iso->quiesce));
	seq_printf(m, "block: 0x%x\n", READ_ONCE(iso->block));
	seq_printf(m, "refused: %lu\n", READ_ONCE(iso->refused));
	seq_printf(m, "inherit: 0x%x\n", READ_ONCE(iso->inherit));
	show_notify(m, iso);
	isolation_read_breaks(&breaks, &iso->breaks);
	show_breaks(m, "", &breaks);
	seq_printf(m, "deferred: %ld\n", atomic_long_read(&iso->deferred));

	family = iso->family;
	spin_lock(&family->lock);
	exited = family->exited;
	refused = family->refused;
	breaks = family->breaks;
	spin_unlock(&family->lock);

	seq_printf(m, "exited: %u\n", exited);
	seq_printf(m, "exited_refused: %lu\n", refused);
	show_breaks(m, "exited_", &breaks);
	if (perfmon_capable())
		show_senders(m, iso);

	return 0;
}
