// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: a device for tests, which shows what a CPU finds in a mapping that
 * others have changed while it was in user mode.
 *
 * There is one address, at which one of two pages is mapped.  Each has its number in
 * it, so what is read there tells which mapping was used.  A CPU that reads it keeps
 * the mapping in its TLB.  When the page is replaced, the address is unmapped, flushed
 * like all memory of vmalloc(), and mapped again, under vmalloc's own choice of the
 * address: it is tried until that is the same.
 *
 * There is another page whose protection changes.
 *
 * task_isolation_test.h says what can be asked of it.
 *
 * All but reading and writing is under a mutex.  Reading while the page is replaced
 * would crash; the tests do not, and nobody else may use the device.
 */

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/set_memory.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <asm/apic.h>
#include <asm/nmi.h>

#include "task_isolation_test.h"

#define TRIES		64
#define PAGES		2

static DEFINE_MUTEX(lock);
static struct page *pages[PAGES];
static long *address;
static long *protectee;

static atomic_t nmi_asked = ATOMIC_INIT(-1);	/* the CPU whose next NMI is ours */
static long nmi_read;
static long fault_read;

static long read_it(void)
{
	return address ? READ_ONCE(*address) : -ENOMEM;
}

static long *map_page(long n)
{
	return vmap(&pages[n], 1, VM_MAP, PAGE_KERNEL);
}

/* Page @n at the same address, or else anywhere. */
static int replace(long n)
{
	long *before = address, *others[TRIES];
	int tries = 0;

	vunmap(address);
	vm_unmap_aliases();

	for (;;) {
		address = map_page(n);
		if (!address || address == before || tries == TRIES)
			break;
		others[tries++] = address;
	}
	while (tries)
		vunmap(others[--tries]);

	return address == before ? 0 : -EAGAIN;
}

static void irq_reads(void *value)
{
	*(long *)value = read_it();
}

static long read_irq(int cpu)
{
	long value;

	return smp_call_function_single(cpu, irq_reads, &value, 1) ? -EINVAL : value;
}

static int nmi_reads(unsigned int cmd, struct pt_regs *regs)
{
	if (atomic_read(&nmi_asked) != raw_smp_processor_id())
		return NMI_DONE;

	nmi_read = read_it();
	atomic_set_release(&nmi_asked, -1);

	return NMI_HANDLED;
}

static long read_nmi(int cpu)
{
	if (cpu < 0 || cpu >= nr_cpu_ids || !cpu_online(cpu))
		return -EINVAL;

	atomic_set(&nmi_asked, cpu);
	apic->send_IPI(cpu, NMI_VECTOR);
	while (atomic_read_acquire(&nmi_asked) >= 0)
		cpu_relax();

	return nmi_read;
}

static vm_fault_t fault_reads(struct vm_fault *vmf)
{
	fault_read = read_it();
	vmf->page = pages[0];
	get_page(vmf->page);

	return 0;
}

static const struct vm_operations_struct fault_ops = {
	.fault = fault_reads,
};

static int test_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &fault_ops;

	return 0;
}

static long change(unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case TEST_MAP:
		return arg < PAGES ? replace(arg) : -EINVAL;
	case TEST_PROTECT:
		return arg ? set_memory_ro((unsigned long)protectee, 1) :
			     set_memory_rw((unsigned long)protectee, 1);
	case TEST_READ_IRQ:
		return read_irq(arg);
	case TEST_READ_NMI:
		return read_nmi(arg);
	default:
		return -ENOTTY;
	}
}

static long test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	long result;

	switch (cmd) {
	case TEST_READ:
		return read_it();
	case TEST_READ_FAULT:
		return fault_read;
	case TEST_WRITE:
		return copy_to_kernel_nofault(protectee, &arg, sizeof(arg));
	}

	mutex_lock(&lock);
	result = change(cmd, arg);
	mutex_unlock(&lock);

	return result;
}

static int test_open(struct inode *inode, struct file *file)
{
	return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

static const struct file_operations test_fops = {
	.owner		= THIS_MODULE,
	.open		= test_open,
	.unlocked_ioctl	= test_ioctl,
	.mmap		= test_mmap,
};

static struct miscdevice test_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "task_isolation_test",
	.mode	= 0600,
	.fops	= &test_fops,
};

static int __init test_init(void)
{
	int i;

	for (i = 0; i < PAGES; i++) {
		pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!pages[i])
			return -ENOMEM;
		*(long *)page_address(pages[i]) = i;
	}
	address = map_page(0);
	protectee = vmalloc(PAGE_SIZE);
	if (!address || !protectee)
		return -ENOMEM;

	if (register_nmi_handler(NMI_LOCAL, nmi_reads, 0, "task_isolation_test"))
		return -EINVAL;

	return misc_register(&test_device);
}
late_initcall(test_init);
