/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test device of task isolation can be asked by ioctl(2); for the device and
 * for tools/testing/selftests/isolation/defer.c.
 *
 *	TEST_MAP	map page arg; EAGAIN if somebody else has got the address
 *	TEST_READ	what a system call reads
 *	TEST_READ_IRQ	what an interrupt reads on CPU arg
 *	TEST_READ_NMI	what an NMI reads on CPU arg
 *	TEST_READ_FAULT	what the last page fault in a mapping of the device read
 *	TEST_PROTECT	let the other page be written or not
 *	TEST_WRITE	write to it: EFAULT if that fails
 */
#ifndef _TASK_ISOLATION_TEST_H
#define _TASK_ISOLATION_TEST_H

#include <linux/ioctl.h>

#define TEST_MAP	_IO('i', 1)
#define TEST_READ	_IO('i', 2)
#define TEST_READ_IRQ	_IO('i', 3)
#define TEST_READ_NMI	_IO('i', 4)
#define TEST_READ_FAULT	_IO('i', 5)
#define TEST_PROTECT	_IO('i', 6)
#define TEST_WRITE	_IO('i', 7)

#endif /* _TASK_ISOLATION_TEST_H */
