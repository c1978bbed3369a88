// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tries SDEI from inside Linux, by way of the kernel's own client of it: registers event 0, the one that software
 * signals, and signals it. The kernel completes an event that interrupted code with interrupts masked by COMPLETE, any
 * other by COMPLETE_AND_RESUME at its interrupt vector, so both are tried by where the event strikes.
 *
 * Writing to a file in /sys/kernel/debug/sdei_test is a test, which fails with EPROTO and a line in the log:
 *
 *   masked   "N"      signals the own CPU N times, interrupts masked; each must have been handled when the call returns
 *   unmasked "N"      the same with interrupts on
 *   sibling  "CPU N"  signals another CPU, which spins with interrupts masked, N times, each after the one before
 *                     was handled
 *   flood    "CPU N"  the same as fast as possible: what is signalled while it is pending coalesces, and is not lost
 *   running  "CPU N"  as sibling, but wherever the other CPU happens to be
 *   spin     "CPU MS" lets a CPU spin with interrupts masked for so long, and returns at once
 *   stats             reading it: what happened so far
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/arm-smccc.h>
#include <linux/arm_sdei.h>
#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include <asm/barrier.h>
#include <asm/cputype.h>
#include <asm/ptrace.h>

#define SDEI_EVENT_SIGNAL 0xc400002f /* DEN0054C 5.1.16; Linux 6.12 does not know it */
#define EVENT             0
#define PATIENCE_NS       (60 * (u64)NSEC_PER_SEC) /* everything may be emulated */
#define CHUNK             64 /* signals without letting anybody else run */

static struct {
	int (*event_register)(u32 event, sdei_event_callback *cb, void *arg);
	int (*event_unregister)(u32 event);
	int (*event_enable)(u32 event);
	int (*event_disable)(u32 event);
} client;

/* What the handler of a CPU saw. Only that CPU writes it. */
struct seen {
	u64 handled;
	u64 masked; /* of these, while interrupts were masked: completed by COMPLETE */
	u64 user; /* and while the CPU was in a process */
	u64 sequence; /* what sequence was when the last one began */
	unsigned long pc; /* where the last one struck */
};

static DEFINE_PER_CPU(struct seen, seen);
static u64 sequence; /* number of the last signal, of the test that runs */
static u64 signals, coalesced; /* so far; under the lock */
static DEFINE_MUTEX(lock); /* one test at a time */
static struct dentry *root;

static int handle(u32 event, struct pt_regs *regs, void *arg)
{
	struct seen *s = this_cpu_ptr(&seen);

	s->pc = regs->pc;
	s->masked += !interrupts_enabled(regs);
	s->user += user_mode(regs);
	WRITE_ONCE(s->sequence, READ_ONCE(sequence));
	smp_store_release(&s->handled, s->handled + 1);
	return 0;
}

/* Everything that was written before is seen by the handler. */
static int signal(u64 mpidr)
{
	struct arm_smccc_res res;

	dsb(ishst);
	arm_smccc_1_1_invoke(SDEI_EVENT_SIGNAL, EVENT, mpidr, &res);
	if (res.a0 == SDEI_SUCCESS)
		return 0;
	pr_err("EVENT_SIGNAL returned %ld\n", (long)res.a0);
	return -EPROTO;
}

/* Signals this CPU n times. The handler runs before the call returns, and once. */
static noinline int signal_self(u32 n, bool mask)
{
	u64 mpidr = read_cpuid_mpidr() & MPIDR_HWID_BITMASK;
	struct seen *s = this_cpu_ptr(&seen);
	unsigned long flags = 0;
	int ret = 0;

	while (n-- && !ret) {
		u64 handled = s->handled, masked = s->masked;

		if (mask)
			local_irq_save(flags);
		WRITE_ONCE(sequence, sequence + 1);
		ret = signal(mpidr);
		barrier();
		if (!ret && (s->handled != handled + 1 || s->masked != masked + mask || s->sequence != sequence)) {
			pr_err("after the signal: handled %llu times, %llu of them masked, saw signal %llu; want 1, %u, %llu\n",
			       s->handled - handled, s->masked - masked, s->sequence, mask, sequence);
			ret = -EPROTO;
		}
		if (mask)
			local_irq_restore(flags);
		signals++;
	}
	return ret;
}

static int self(u32 n, bool mask)
{
	u32 done;
	int ret = 0;

	mutex_lock(&lock);
	for (done = 0; done < n && !ret; done += CHUNK) {
		preempt_disable();
		ret = signal_self(min(n - done, CHUNK), mask);
		preempt_enable();
		cond_resched();
	}
	mutex_unlock(&lock);
	return ret;
}

/* A CPU that does nothing but be interrupted. */
struct spinner {
	bool begun, stop, ended;
	u64 until; /* ktime, or 0 for until stop */
};

static noinline void spin(void *info)
{
	struct spinner *s = info;
	u64 until = s->until;

	smp_store_release(&s->begun, true);
	while (!READ_ONCE(s->stop) && (!until || ktime_get_mono_fast_ns() < until))
		cpu_relax();
	smp_store_release(&s->ended, true);
}

#define await(condition) ({                                    \
	u64 until_ = ktime_get_ns() + PATIENCE_NS;             \
	bool met_;                                             \
	while (!(met_ = (condition)) && ktime_get_ns() < until_) \
		cpu_relax();                                   \
	met_;                                                  \
})

/* The symbol that pc is in must be spin. */
static bool in_spin(unsigned long pc)
{
	char symbol[KSYM_SYMBOL_LEN];

	sprint_symbol_no_offset(symbol, pc);
	return str_has_prefix(symbol, "spin ") != 0;
}

static int strike(struct seen *s, u64 mpidr, bool spinning)
{
	u64 handled = smp_load_acquire(&s->handled), masked = s->masked;
	int ret;

	WRITE_ONCE(sequence, sequence + 1);
	ret = signal(mpidr);
	if (ret)
		return ret;
	signals++;
	if (!await(smp_load_acquire(&s->handled) != handled)) {
		pr_err("a signal to another CPU was lost\n");
		return -EPROTO;
	}
	if (s->handled != handled + 1 || s->sequence != sequence) {
		pr_err("another CPU handled %llu signals, the last %llu; want 1, %llu\n", s->handled - handled, s->sequence, sequence);
		return -EPROTO;
	}
	if (spinning && (s->masked != masked + 1 || !in_spin(s->pc))) {
		pr_err("another CPU handled %llu signals, %llu of them masked, the last at %pS; want 1, 1, in spin\n",
		       s->handled - handled, s->masked - masked, (void *)s->pc);
		return -EPROTO;
	}
	return 0;
}

static int flood(u64 mpidr, u32 n)
{
	int ret = 0;

	while (n-- && !ret) {
		WRITE_ONCE(sequence, sequence + 1);
		ret = signal(mpidr);
		signals++;
	}
	return ret;
}

static void enter_dispatcher(void *unused)
{
	struct arm_smccc_res res;

	arm_smccc_1_1_invoke(SDEI_1_0_FN_SDEI_VERSION, &res);
}

/*
 * The last of n signals has been made. Whoever enters the dispatcher finds what is pending handled when he comes back, so
 * nothing that belongs to them comes later.
 */
static int settle(unsigned int cpu, struct seen *s, u64 before, u32 n)
{
	u64 handled;
	int ret = smp_call_function_single(cpu, enter_dispatcher, NULL, true);

	if (ret)
		return ret;
	handled = s->handled - before;
	if (s->sequence != sequence || handled > n) {
		pr_err("%u signals were handled %llu times, and the last %llu were lost\n", n, handled, sequence - s->sequence);
		return -EPROTO;
	}
	coalesced += n - handled;
	return 0;
}

static int lockstep(struct seen *s, u64 mpidr, u32 n, bool spinning)
{
	int ret = 0;

	while (n-- && !ret)
		ret = strike(s, mpidr, spinning);
	return ret;
}

enum how { LOCKSTEP, FLOOD, RUNNING };

static void read_mpidr(void *mpidr)
{
	*(u64 *)mpidr = read_cpuid_mpidr() & MPIDR_HWID_BITMASK;
}

/* One chunk of a test. The other CPU is kept online by the caller. */
static int chunk(unsigned int cpu, u32 n, enum how how)
{
	struct spinner spinner = {};
	call_single_data_t csd = CSD_INIT(spin, &spinner);
	struct seen *s = per_cpu_ptr(&seen, cpu);
	u64 mpidr, before;
	int ret;

	ret = smp_call_function_single(cpu, read_mpidr, &mpidr, true);
	if (ret)
		return ret;
	if (how == RUNNING)
		return lockstep(s, mpidr, n, false);
	ret = smp_call_function_single_async(cpu, &csd);
	if (ret)
		return ret;
	while (!smp_load_acquire(&spinner.begun))
		cpu_relax();
	before = smp_load_acquire(&s->handled);
	ret = how == FLOOD ? flood(mpidr, n) : lockstep(s, mpidr, n, true);
	WRITE_ONCE(spinner.stop, true);
	/* What it uses is on this stack. The kernel has let go of csd before it called spin. */
	while (!smp_load_acquire(&spinner.ended))
		cpu_relax();
	return ret || how != FLOOD ? ret : settle(cpu, s, before, n);
}

static int other(unsigned int cpu, u32 n, enum how how)
{
	u64 before, handled;
	u32 done;
	int ret = 0;

	mutex_lock(&lock);
	cpus_read_lock();
	migrate_disable();
	if (cpu >= nr_cpu_ids || !cpu_online(cpu) || cpu == smp_processor_id())
		ret = -ENODEV;
	else
		before = per_cpu_ptr(&seen, cpu)->handled;
	for (done = 0; done < n && !ret; done += CHUNK) {
		ret = chunk(cpu, min(n - done, CHUNK), how);
		cond_resched();
	}
	migrate_enable();
	cpus_read_unlock();
	if (!ret && how != RUNNING) {
		handled = per_cpu_ptr(&seen, cpu)->handled - before;
		pr_info("CPU %u, spinning with interrupts masked, was interrupted %llu times, the last at %pS\n", cpu, handled,
			(void *)per_cpu_ptr(&seen, cpu)->pc);
	}
	mutex_unlock(&lock);
	return ret;
}

static int get(const char __user *buf, size_t count, const char *format, u32 *a, u32 *b)
{
	char text[32];
	int want = b ? 2 : 1;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = 0;
	return sscanf(text, format, a, b) == want ? 0 : -EINVAL;
}

#define TEST_FILE(name, format, two, test)                                                                     \
	static ssize_t name##_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)     \
	{                                                                                                      \
		u32 a, b;                                                                                      \
		int ret = get(buf, count, format, &a, two ? &b : NULL) ?: (test);                              \
                                                                                                               \
		return ret ?: count;                                                                           \
	}                                                                                                      \
	static const struct file_operations name##_fops = {                                                    \
		.owner = THIS_MODULE,                                                                          \
		.open = simple_open,                                                                           \
		.write = name##_write,                                                                         \
	}

static struct spinner lone;

static int start_spinning(unsigned int cpu, u32 ms)
{
	static call_single_data_t csd = CSD_INIT(spin, &lone);
	int ret;

	mutex_lock(&lock);
	cpus_read_lock();
	if (lone.begun && !smp_load_acquire(&lone.ended)) {
		ret = -EBUSY;
	} else {
		lone = (struct spinner){ .until = ktime_get_mono_fast_ns() + (u64)ms * NSEC_PER_MSEC };
		ret = smp_call_function_single_async(cpu, &csd);
		while (!ret && !smp_load_acquire(&lone.begun))
			cpu_relax();
	}
	cpus_read_unlock();
	mutex_unlock(&lock);
	return ret;
}

TEST_FILE(masked, "%u", false, self(a, true));
TEST_FILE(unmasked, "%u", false, self(a, false));
TEST_FILE(sibling, "%u %u", true, other(a, b, LOCKSTEP));
TEST_FILE(flood, "%u %u", true, other(a, b, FLOOD));
TEST_FILE(running, "%u %u", true, other(a, b, RUNNING));
TEST_FILE(spin, "%u %u", true, start_spinning(a, b));

static int stats_show(struct seq_file *file, void *unused)
{
	struct seen sum = {};
	int cpu;

	mutex_lock(&lock);
	for_each_possible_cpu(cpu) {
		struct seen *s = per_cpu_ptr(&seen, cpu);

		sum.handled += s->handled;
		sum.masked += s->masked;
		sum.user += s->user;
	}
	seq_printf(file, "signals %llu\nhandled %llu\ncoalesced %llu\n", signals, sum.handled, coalesced);
	seq_printf(file, "completed %llu\nresumed %llu\nin_user %llu\n", sum.masked, sum.handled - sum.masked, sum.user);
	mutex_unlock(&lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/* The kernel's client exports nothing to modules, but a kprobe tells where a function is. */
static void *kernel_function(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	int ret = register_kprobe(&probe);

	if (ret) {
		pr_err("this kernel has no function %s (%d): it needs CONFIG_ARM_SDE_INTERFACE and CONFIG_KPROBES\n", name, ret);
		return NULL;
	}
	unregister_kprobe(&probe);
	return probe.addr;
}

static bool find_client(void)
{
	client.event_register = kernel_function("sdei_event_register");
	client.event_unregister = kernel_function("sdei_event_unregister");
	client.event_enable = kernel_function("sdei_event_enable");
	client.event_disable = kernel_function("sdei_event_disable");
	return client.event_register && client.event_unregister && client.event_enable && client.event_disable;
}

static void unregister(void)
{
	/* A handler may run for another moment. */
	while (client.event_unregister(EVENT) == -EINPROGRESS)
		msleep(1);
}

static bool spin_only;
module_param(spin_only, bool, 0444);
MODULE_PARM_DESC(spin_only, "leave event 0 to the kernel: only the file spin works");

static int __init sdei_test_init(void)
{
	int ret = 0;

	if (!spin_only) {
		if (!find_client())
			return -ENOSYS;
		ret = client.event_register(EVENT, handle, NULL);
		if (ret)
			return ret;
		ret = client.event_enable(EVENT);
		if (ret) {
			unregister();
			return ret;
		}
	}
	root = debugfs_create_dir("sdei_test", NULL);
	debugfs_create_file("spin", 0200, root, NULL, &spin_fops);
	if (spin_only)
		return 0;
	debugfs_create_file("masked", 0200, root, NULL, &masked_fops);
	debugfs_create_file("unmasked", 0200, root, NULL, &unmasked_fops);
	debugfs_create_file("sibling", 0200, root, NULL, &sibling_fops);
	debugfs_create_file("flood", 0200, root, NULL, &flood_fops);
	debugfs_create_file("running", 0200, root, NULL, &running_fops);
	debugfs_create_file("stats", 0444, root, NULL, &stats_fops);
	return 0;
}

static void __exit sdei_test_exit(void)
{
	debugfs_remove(root);
	/* The code that it runs is about to go. */
	while (lone.begun && !smp_load_acquire(&lone.ended))
		msleep(1);
	if (!spin_only) {
		client.event_disable(EVENT);
		unregister();
	}
}

module_init(sdei_test_init);
module_exit(sdei_test_exit);
MODULE_DESCRIPTION("Test of SDEI event 0");
MODULE_LICENSE("GPL");
