// SPDX-License-Identifier: GPL-2.0
/*
 * rseq time slice extension: counters, and the files that show and tune it.
 *
 *			Model
 *
 * Every event is counted twice, on its CPU and in its task, always; there is no
 * switch.  Events happen at most once per reschedule, so this costs nothing
 * that matters.  A counter is written with interrupts off by its own CPU (or
 * the task's own CPU) and read without any lock: a sum over CPUs is not a
 * snapshot, but no count is lost.
 *
 *	granted = yielded + aborted + expired + revoked + switched + dropped
 *		  + grants that are live now
 *
 *	debugfs rseq/stats		sums; the first five lines as in mainline
 *	debugfs rseq/slice_cpus		one line per CPU
 *	debugfs rseq/slice_hist		time used under grants, by powers of two
 *	debugfs rseq/slice_ext_nsec	length of a grant, also
 *	kernel.rseq_slice_extension_nsec (sysctl)
 *	/proc/PID/task/TID/rseq_slice	one thread
 */

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/rseq_slice.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/sysctl.h>
#include <linux/uaccess.h>

/* Bucket n counts grants of [2^(n-1), 2^n) ns, the last one all longer ones. */
#define HIST_BUCKETS	24

struct slice_stat {
	u64	grants;
	u64	refusals[RSEQ_SLICE_NR_REFUSALS];
	u64	ends[RSEQ_SLICE_NR_ENDS];
	u64	used;
	u64	hist[HIST_BUCKETS];
};

static DEFINE_PER_CPU(struct slice_stat, slice_stat);

static const char * const refusal_names[RSEQ_SLICE_NR_REFUSALS] = {
	[RSEQ_SLICE_NO_WORK]	= "work",
	[RSEQ_SLICE_NO_CLASS]	= "class",
	[RSEQ_SLICE_NO_CORE]	= "core",
	[RSEQ_SLICE_NO_RUNTIME]	= "runtime",
	[RSEQ_SLICE_NO_TIMER]	= "timer",
	[RSEQ_SLICE_NO_MEMORY]	= "memory",
	[RSEQ_SLICE_NO_AGAIN]	= "again",
};

static const char * const end_names[RSEQ_SLICE_NR_ENDS] = {
	[RSEQ_SLICE_YIELDED]	= "yielded",
	[RSEQ_SLICE_ABORTED]	= "aborted",
	[RSEQ_SLICE_EXPIRED]	= "expired",
	[RSEQ_SLICE_REVOKED]	= "revoked",
	[RSEQ_SLICE_SWITCHED]	= "switched",
	[RSEQ_SLICE_DROPPED]	= "dropped",
};

/**
 * rseq_slice_count_grant - Count a grant
 * @t:	the current task
 *
 * Context: interrupts off.
 */
void rseq_slice_count_grant(struct task_struct *t)
{
	t->rseq_slice.grants++;
	__this_cpu_inc(slice_stat.grants);
}

/**
 * rseq_slice_count_refusal - Count a request that was refused
 * @t:		the current task
 * @why:	the reason
 *
 * Context: interrupts off.
 */
void rseq_slice_count_refusal(struct task_struct *t, enum rseq_slice_refusal why)
{
	t->rseq_slice.refusals++;
	__this_cpu_inc(slice_stat.refusals[why]);
}

/**
 * rseq_slice_count_end - Count a grant that is over
 * @t:		the task, on this CPU
 * @how:	what ended it
 * @used:	how long it lasted, in nanoseconds
 *
 * Context: interrupts off; perhaps the rq lock held.
 */
void rseq_slice_count_end(struct task_struct *t, enum rseq_slice_end how, u64 used)
{
	unsigned int bucket = min_t(unsigned int, fls64(used), HIST_BUCKETS - 1);

	t->rseq_slice.ends[how]++;
	t->rseq_slice.used += used;
	__this_cpu_inc(slice_stat.ends[how]);
	__this_cpu_add(slice_stat.used, used);
	__this_cpu_inc(slice_stat.hist[bucket]);
}

static u64 peek(const u64 *counter)
{
	/* Counting goes on meanwhile: see the model. */
	return data_race(*counter);
}

static void add_up(struct slice_stat *sum, const struct slice_stat *stat)
{
	unsigned int i;

	sum->grants += peek(&stat->grants);
	sum->used += peek(&stat->used);
	for (i = 0; i < RSEQ_SLICE_NR_REFUSALS; i++)
		sum->refusals[i] += peek(&stat->refusals[i]);
	for (i = 0; i < RSEQ_SLICE_NR_ENDS; i++)
		sum->ends[i] += peek(&stat->ends[i]);
	for (i = 0; i < HIST_BUCKETS; i++)
		sum->hist[i] += peek(&stat->hist[i]);
}

static void add_up_all(struct slice_stat *sum)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		add_up(sum, per_cpu_ptr(&slice_stat, cpu));
}

/* Mainline counts every grant that did not end in a system call as revoked. */
static u64 revoked(const struct slice_stat *stat)
{
	return stat->ends[RSEQ_SLICE_EXPIRED] + stat->ends[RSEQ_SLICE_REVOKED] +
	       stat->ends[RSEQ_SLICE_SWITCHED] + stat->ends[RSEQ_SLICE_DROPPED];
}

static int stats_show(struct seq_file *m, void *p)
{
	struct slice_stat sum = { };
	unsigned int i;

	add_up_all(&sum);

	seq_printf(m, "sgrant: %16llu\n", sum.grants);
	seq_printf(m, "sexpir: %16llu\n", sum.ends[RSEQ_SLICE_EXPIRED]);
	seq_printf(m, "srevok: %16llu\n", revoked(&sum));
	seq_printf(m, "syield: %16llu\n", sum.ends[RSEQ_SLICE_YIELDED]);
	seq_printf(m, "sabort: %16llu\n", sum.ends[RSEQ_SLICE_ABORTED]);
	seq_printf(m, "used_ns: %15llu\n", sum.used);

	for (i = 0; i < RSEQ_SLICE_NR_ENDS; i++)
		seq_printf(m, "end_%s: %llu\n", end_names[i], sum.ends[i]);
	for (i = RSEQ_SLICE_MAY_GRANT + 1; i < RSEQ_SLICE_NR_REFUSALS; i++)
		seq_printf(m, "refused_%s: %llu\n", refusal_names[i], sum.refusals[i]);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int cpus_show(struct seq_file *m, void *p)
{
	unsigned int cpu, i;

	seq_puts(m, "cpu granted used_ns");
	for (i = 0; i < RSEQ_SLICE_NR_ENDS; i++)
		seq_printf(m, " %s", end_names[i]);
	for (i = RSEQ_SLICE_MAY_GRANT + 1; i < RSEQ_SLICE_NR_REFUSALS; i++)
		seq_printf(m, " no_%s", refusal_names[i]);
	seq_putc(m, '\n');

	for_each_possible_cpu(cpu) {
		struct slice_stat stat = { };

		add_up(&stat, per_cpu_ptr(&slice_stat, cpu));
		seq_printf(m, "%u %llu %llu", cpu, stat.grants, stat.used);
		for (i = 0; i < RSEQ_SLICE_NR_ENDS; i++)
			seq_printf(m, " %llu", stat.ends[i]);
		for (i = RSEQ_SLICE_MAY_GRANT + 1; i < RSEQ_SLICE_NR_REFUSALS; i++)
			seq_printf(m, " %llu", stat.refusals[i]);
		seq_putc(m, '\n');
	}

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cpus);

static int hist_show(struct seq_file *m, void *p)
{
	struct slice_stat sum = { };
	unsigned int i;

	add_up_all(&sum);

	for (i = 0; i < HIST_BUCKETS - 1; i++)
		seq_printf(m, "< %8lu ns: %llu\n", 1UL << i, sum.hist[i]);
	seq_printf(m, ">=%8lu ns: %llu\n", 1UL << (i - 1), sum.hist[i]);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hist);

static int nsec_show(struct seq_file *m, void *p)
{
	seq_printf(m, "%u\n", READ_ONCE(rseq_slice_nsec));
	return 0;
}

static int nsec_open(struct inode *inode, struct file *file)
{
	return single_open(file, nsec_show, NULL);
}

static ssize_t nsec_write(struct file *file, const char __user *ubuf, size_t count, loff_t *ppos)
{
	unsigned int nsec;

	if (kstrtouint_from_user(ubuf, count, 10, &nsec))
		return -EINVAL;
	if (nsec < rseq_slice_nsec_min || nsec > rseq_slice_nsec_max)
		return -ERANGE;

	WRITE_ONCE(rseq_slice_nsec, nsec);
	return count;
}

static const struct file_operations nsec_fops = {
	.owner		= THIS_MODULE,
	.open		= nsec_open,
	.read		= seq_read,
	.write		= nsec_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static struct ctl_table slice_sysctls[] = {
	{
		.procname	= "rseq_slice_extension_nsec",
		.data		= &rseq_slice_nsec,
		.maxlen		= sizeof(rseq_slice_nsec),
		.mode		= 0644,
		.proc_handler	= proc_douintvec_minmax,
		.extra1		= (void *)&rseq_slice_nsec_min,
		.extra2		= (void *)&rseq_slice_nsec_max,
	},
	{ }
};

/**
 * proc_rseq_slice - Show /proc/PID/task/TID/rseq_slice
 * @m:		where to
 * @ns:		unused
 * @pid:	unused
 * @task:	the thread
 *
 * Return: 0.
 */
int proc_rseq_slice(struct seq_file *m, struct pid_namespace *ns,
		    struct pid *pid, struct task_struct *task)
{
	const struct rseq_slice *slice = &task->rseq_slice;
	unsigned int i;

	seq_printf(m, "enabled: %u\n", READ_ONCE(slice->enabled));
	seq_printf(m, "granted: %llu\n", peek(&slice->grants));
	seq_printf(m, "refused: %llu\n", peek(&slice->refusals));
	for (i = 0; i < RSEQ_SLICE_NR_ENDS; i++)
		seq_printf(m, "%s: %llu\n", end_names[i], peek(&slice->ends[i]));
	seq_printf(m, "used_ns: %llu\n", peek(&slice->used));

	return 0;
}

static int __init rseq_slice_stat_init(void)
{
	struct dentry *dir = debugfs_create_dir("rseq", NULL);

	debugfs_create_file("stats", 0444, dir, NULL, &stats_fops);
	debugfs_create_file("slice_cpus", 0444, dir, NULL, &cpus_fops);
	debugfs_create_file("slice_hist", 0444, dir, NULL, &hist_fops);
	debugfs_create_file("slice_ext_nsec", 0644, dir, NULL, &nsec_fops);
	register_sysctl("kernel", slice_sysctls);
	return 0;
}
device_initcall(rseq_slice_stat_init);
