// SPDX-License-Identifier: GPL-2.0-only
/*
 * Schedules VMs by FF-A: a thread for each vCPU calls FFA_RUN and does what the result asks for. Only VMs that live by
 * themselves, such as Linux guests, need this; those that serve direct requests run when they get one.
 *
 *   vms=ID,...    the FF-A ids of the VMs
 *   vcpus=N,...   how many vCPUs each of them has, 1 unless given
 *
 * When a VM has notifications, the kernel's own FF-A driver finds out, by its schedule receiver interrupt, and
 * wakes the thread. /sys/kernel/debug/ffa_sched/ID/stats says how often the vCPUs of a VM were run and how these runs
 * ended; ID/ended says the same, but to read it waits until the VM has ended.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/arm-smccc.h>
#include <linux/arm_ffa.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/wait.h>

#define RUN_WFI       0xff06 /* Hafnium's: the vCPU waits for an interrupt, w2 and w3 are ns, 0 for ever */

#define FFA_BUSY    (-4)
#define FFA_ABORTED (-8)

#define MAX_VMS   8
#define MAX_VCPUS 16

struct vm;

struct vcpu {
	struct vm *vm;
	u16 index;
	struct task_struct *thread;
	bool woken; /* there may be something to do */
	u64 runs, interrupts, waits;
};

struct vm {
	struct ffa_device *dev;
	u16 id;
	unsigned int count;
	atomic_t alive; /* vCPUs whose threads run */
	wait_queue_head_t ended;
	struct vcpu vcpus[MAX_VCPUS];
};

static ushort vms[MAX_VMS];
static ushort vcpus[MAX_VMS];
static int vms_given, vcpus_given;
module_param_array(vms, ushort, &vms_given, 0444);
MODULE_PARM_DESC(vms, "FF-A ids of the VMs");
module_param_array(vcpus, ushort, &vcpus_given, 0444);
MODULE_PARM_DESC(vcpus, "how many vCPUs each of them has");

static struct vm *all[MAX_VMS];
static struct dentry *root;

static void call(struct arm_smccc_1_2_regs *r)
{
	if (arm_smccc_1_1_get_conduit() == SMCCC_CONDUIT_SMC)
		arm_smccc_1_2_smc(r, r);
	else
		arm_smccc_1_2_hvc(r, r);
}

static void wake(struct vcpu *v)
{
	smp_store_release(&v->woken, true);
	wake_up_process(v->thread);
}

/* Somebody said that this vCPU is to be run. */
static void wake_target(u32 target)
{
	int i;

	for (i = 0; i < vms_given; i++)
		if (all[i] && all[i]->id == target >> 16 && (u16)target < all[i]->count)
			wake(&all[i]->vcpus[(u16)target]);
}

static void notified(u16 vcpu, bool is_per_vcpu, void *data)
{
	struct vm *vm = data;

	wake(&vm->vcpus[is_per_vcpu && vcpu < vm->count ? vcpu : 0]);
}

/* Sleeps for ns, 0 for ever, or until there is something to do. */
static void idle(struct vcpu *v, u64 ns)
{
	ktime_t timeout = ns_to_ktime(ns);

	v->waits++;
	set_current_state(TASK_INTERRUPTIBLE);
	if (!smp_load_acquire(&v->woken) && !kthread_should_stop())
		schedule_hrtimeout_range(ns ? &timeout : NULL, 0, HRTIMER_MODE_REL);
	__set_current_state(TASK_RUNNING);
}

/* Runs v once and reports whether it may be run again. */
static bool run(struct vcpu *v)
{
	struct arm_smccc_1_2_regs r = { .a0 = FFA_RUN, .a1 = v->vm->id << 16 | v->index };
	u32 self = r.a1;

	v->runs++;
	WRITE_ONCE(v->woken, false);
	call(&r);
	switch ((u32)r.a0) {
	case FFA_INTERRUPT:
		v->interrupts++;
		if ((u32)r.a1 != self)
			wake_target(r.a1);
		return true;
	case FFA_YIELD:
		return true;
	case FFA_MSG_WAIT:
	case RUN_WFI:
		idle(v, (u32)r.a2 | r.a3 << 32);
		return true;
	case FFA_ERROR:
		if ((s32)r.a2 == FFA_BUSY) { /* another CPU runs it */
			idle(v, NSEC_PER_MSEC);
			return true;
		}
		if ((s32)r.a2 != FFA_ABORTED && v->index != 0) { /* off */
			idle(v, 0);
			return true;
		}
		pr_info("VM %u has ended: %d\n", v->vm->id, (s32)r.a2);
		return false;
	}
	pr_err("run of VM %u vCPU %u: %lx %lx %lx\n", v->vm->id, v->index, r.a0, r.a1, r.a2);
	return true;
}

static int schedule_vcpu(void *data)
{
	struct vcpu *v = data;
	bool alive = true;

	while (alive && !kthread_should_stop()) {
		alive = run(v);
		cond_resched();
	}
	atomic_dec(&v->vm->alive);
	wake_up_all(&v->vm->ended);
	/* The module may be removed meanwhile. */
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

static int stats_show(struct seq_file *file, void *unused)
{
	struct vm *vm = file->private;
	u64 runs = 0, interrupts = 0, waits = 0;
	int i;

	for (i = 0; i < vm->count; i++) {
		runs += READ_ONCE(vm->vcpus[i].runs);
		interrupts += READ_ONCE(vm->vcpus[i].interrupts);
		waits += READ_ONCE(vm->vcpus[i].waits);
	}
	seq_printf(file, "runs %llu\ninterrupts %llu\nwaits %llu\n", runs, interrupts, waits);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int ended_show(struct seq_file *file, void *unused)
{
	struct vm *vm = file->private;

	/* A vCPU that is off is no sign of life, and vCPU 0 of a VM that has ended says so. */
	if (wait_event_killable(vm->ended, atomic_read(&vm->alive) < vm->count))
		return -EINTR;
	return stats_show(file, unused);
}
DEFINE_SHOW_ATTRIBUTE(ended);

static int is_vm(struct device *dev, const void *id)
{
	return to_ffa_dev(dev)->vm_id == *(const u16 *)id;
}

static void remove_vm(struct vm *vm)
{
	int i;

	if (vm->dev)
		vm->dev->ops->notifier_ops->sched_recv_cb_unregister(vm->dev);
	for (i = 0; i < vm->count; i++)
		if (vm->vcpus[i].thread)
			kthread_stop(vm->vcpus[i].thread);
	if (vm->dev)
		put_device(&vm->dev->dev);
	kfree(vm);
}

static struct vm *add_vm(u16 id, unsigned int count)
{
	struct dentry *folder;
	struct device *dev;
	char name[8];
	struct vm *vm;
	int i, ret;

	if (!count || count > MAX_VCPUS)
		return ERR_PTR(-EINVAL);
	dev = bus_find_device(&ffa_bus_type, NULL, &id, is_vm);
	if (!dev) {
		pr_err("there is no VM %u\n", id);
		return ERR_PTR(-ENODEV);
	}
	vm = kzalloc(sizeof(*vm), GFP_KERNEL);
	if (!vm) {
		put_device(dev);
		return ERR_PTR(-ENOMEM);
	}
	vm->id = id;
	vm->count = count;
	vm->dev = to_ffa_dev(dev);
	atomic_set(&vm->alive, count);
	init_waitqueue_head(&vm->ended);
	for (i = 0; i < count; i++) {
		struct vcpu *v = &vm->vcpus[i];
		struct task_struct *thread;

		v->vm = vm;
		v->index = i;
		thread = kthread_create(schedule_vcpu, v, "vm%u/%d", id, i);
		if (IS_ERR(thread)) {
			ret = PTR_ERR(thread);
			goto fail;
		}
		v->thread = thread;
	}
	ret = vm->dev->ops->notifier_ops->sched_recv_cb_register(vm->dev, notified, vm);
	if (ret)
		pr_warn("VM %u is not run when it has notifications: %d\n", id, ret);
	snprintf(name, sizeof(name), "%u", id);
	folder = debugfs_create_dir(name, root);
	debugfs_create_file("stats", 0400, folder, vm, &stats_fops);
	debugfs_create_file("ended", 0400, folder, vm, &ended_fops);
	return vm;
fail:
	remove_vm(vm);
	return ERR_PTR(ret);
}

static void remove_all(void)
{
	int i;

	debugfs_remove(root);
	for (i = 0; i < vms_given; i++)
		if (all[i])
			remove_vm(all[i]);
}

static int __init ffa_sched_init(void)
{
	int i, j;

	root = debugfs_create_dir("ffa_sched", NULL);
	for (i = 0; i < vms_given; i++) {
		struct vm *vm = add_vm(vms[i], i < vcpus_given ? vcpus[i] : 1);

		if (IS_ERR(vm)) {
			remove_all();
			return PTR_ERR(vm);
		}
		all[i] = vm;
	}
	/* Each may name any other. */
	for (i = 0; i < vms_given; i++)
		for (j = 0; j < all[i]->count; j++)
			wake_up_process(all[i]->vcpus[j].thread);
	return 0;
}

module_init(ffa_sched_init);
module_exit(remove_all);
MODULE_DESCRIPTION("Scheduler of VMs by FF-A");
MODULE_LICENSE("GPL");
