// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: who runs where.
 *
 * What one CPU does for all others, such as folding their counters, passes by
 * those whose current task does it itself.  The answer is of the moment: the
 * task may have been switched out when the caller acts on it.  Whoever asks
 * must do with that, and does when it asks again later.
 */
#include "sched.h"
#include "../task_isolation.h"

/**
 * isolation_on - Find the state of the task that quiesces on a CPU
 * @cpu:	the CPU
 *
 * Context: RCU read section, in which the state stays valid.
 * Return: the state, or NULL when the current task there does not quiesce.
 */
struct task_isolation *isolation_on(int cpu)
{
	struct task_struct *curr = rcu_dereference(cpu_rq(cpu)->curr);

	/* A task that was current outlives a grace period, and so does its state. */
	return test_tsk_thread_flag(curr, TIF_ISOLATION) ? isolation_of(curr) : NULL;
}

/**
 * task_isolation_quiesces - Does the task on a CPU do this before user mode?
 * @cpu:	the CPU
 * @action:	ISOL_F_QUIESCE_*
 *
 * Context: any.
 */
bool task_isolation_quiesces(int cpu, u32 action)
{
	const struct task_isolation *iso;
	bool found;

	if (!static_branch_unlikely(&task_isolation_used))
		return false;

	rcu_read_lock();
	iso = isolation_on(cpu);
	found = iso && (READ_ONCE(iso->quiesce) & action);
	rcu_read_unlock();

	return found;
}
