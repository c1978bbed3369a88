// SPDX-License-Identifier: GPL-2.0-only
/*
 * One kernel thread per vCPU of a secondary. It runs the vCPU, and follows, result by result, what
 * the document "Scheduler VM expectations" of Hafnium demands. Its sentences are named by the result
 * that they stand under; the interface of January 2019 has the same results. One of them needs nothing here: "Enable, handle and ignore interrupts for the non-secure
 * hypervisor physical timer (PPI 10, IRQ 26)" is about a hypervisor that borrows the timer of the CPU it runs on. Under
 * KVM the primary has no such timer; a run that must end early ends with INTERRUPT by itself.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/printk.h>
#include <linux/sched/task.h>

#include "hfvmm.h"

#define WOKEN 0

/*
 * Makes a vCPU run (again). If it is running right now on another CPU, that CPU is interrupted, so that
 * the hypervisor enters the vCPU anew. Nothing is lost in between: the thread clears WOKEN before it
 * enters the hypervisor and looks at it before it sleeps.
 */
void hf_wake(struct hf_vcpu *vcpu)
{
	set_bit(WOKEN, &vcpu->woken);
	wake_up(&vcpu->wait);
	kick_process(vcpu->task);
}

/*
 * A message lies in the mailbox of vm: run the vCPU that the hypervisor named, else one that waits for it, else leave the
 * choice to the VM.
 */
void hf_wake_receiver(struct hf_vm *vm, u16 vcpu)
{
	u16 i;

	if (vcpu < vm->vcpu_count) {
		hf_wake(&vm->vcpus[vcpu]);
		return;
	}
	for (i = 0; i < vm->vcpu_count; i++) {
		if (READ_ONCE(vm->vcpus[i].waits_for_message)) {
			hf_wake(&vm->vcpus[i]);
			return;
		}
	}
	for (i = 0; i < vm->vcpu_count; i++)
		hf_wake(&vm->vcpus[i]);
}

/*
 * Interrupt handling: "forward interrupts intended for secondary VMs to an appropriate vCPU of the VM by
 * calling hf_interrupt_inject and then running the vCPU as usual. If the vCPU is already running it must be
 * preempted and run again." The hypervisor answers 1 where that is needed.
 */
int hf_inject(struct hf_vm *vm, u16 vcpu, u32 intid)
{
	s64 ret = hf_call(hf->abi->interrupt_inject, vm->id, vcpu, intid);

	if (ret < 0)
		return -EINVAL;
	hf_count(vm, HF_INJECTED, 1);
	if (ret == 1)
		hf_wake(&vm->vcpus[vcpu]);
	return 0;
}

/*
 * WAKE_UP: "MUST either wake the vCPU in question up if it is blocked, or preempt and re-run it". In the interface of
 * January 2019 it may be for a message, and the scheduler's choice which vCPU takes that.
 */
static void wake_other(struct hf_run r)
{
	struct hf_vm *vm = hf_find_vm(r.vm);

	if (vm && (r.vcpu < vm->vcpu_count || r.vcpu == HF_ANY_VCPU))
		hf_wake_receiver(vm, r.vcpu);
	else
		pr_warn_ratelimited("asked to wake vCPU %u of VM %u, which does not exist\n", r.vcpu, r.vm);
}

static void abort_vm(struct hf_vcpu *vcpu)
{
	struct hf_vm *vm = vcpu->vm;
	u16 i;

	if (!READ_ONCE(vm->dead))
		pr_err("VM %u aborted on vCPU %u\n", vm->id, vcpu->index);
	WRITE_ONCE(vm->dead, true);
	/* ABORTED: "MUST treat this the same as HF_SPCI_RUN_WAKE_UP for all the other vCPUs of the VM." */
	for (i = 0; i < vm->vcpu_count; i++) {
		if (i != vcpu->index)
			hf_wake(&vm->vcpus[i]);
	}
	wake_up_all(&vm->read_wait);
	wake_up_all(&vm->write_wait);
	wake_up_all(&vm->space_wait);
}

/* Sleeps until the vCPU was woken or ns have passed; KTIME_MAX is for ever. */
static void block(struct hf_vcpu *vcpu, ktime_t ns)
{
	wait_event_interruptible_hrtimeout(vcpu->wait, test_bit(WOKEN, &vcpu->woken) || kthread_should_stop(), ns);
}

static ktime_t timeout(struct hf_run r)
{
	return r.ns == 0 || r.ns > KTIME_MAX ? KTIME_MAX : ns_to_ktime(r.ns);
}

static struct hf_run run(struct hf_vcpu *vcpu)
{
	u64 start = ktime_get_ns();
	struct hf_run r = hf->abi->run(vcpu->vm->id, vcpu->index);

	hf_count(vcpu->vm, HF_RUN_NS, ktime_get_ns() - start);
	hf_count(vcpu->vm, HF_RUN, 1);
	return r;
}

static void failed(struct hf_vcpu *vcpu, struct hf_run r)
{
	struct hf_vm *vm = vcpu->vm;

	if (r.how == HF_ABORTED) {
		hf_count(vm, HF_RUN_ABORTED, 1);
		abort_vm(vcpu);
	} else {
		hf_count(vm, HF_RUN_ERROR, 1);
	}
	/* ABORTED: "SHOULD either never call SPCI_RUN on the vCPU again". */
	if (READ_ONCE(vm->dead)) {
		wait_event_interruptible(vcpu->wait, kthread_should_stop());
		return;
	}
	if (r.how == HF_NOT_RUNNABLE) {
		/*
		 * The vCPU is off, or it is blocked and what woke it was not meant for it. That is no mistake
		 * of anybody. Any other error: "suspend the vCPU indefinitely".
		 */
		block(vcpu, KTIME_MAX);
		return;
	}
	/* Any other error: "should be logged. The scheduler SHOULD either try again or suspend". */
	pr_warn_ratelimited("VM %u vCPU %u: run failed with %d\n", vm->id, vcpu->index, r.error);
	block(vcpu, ms_to_ktime(1));
}

/* Runs the vCPU once and does what the result demands before it may run again. */
static void run_and_follow(struct hf_vcpu *vcpu)
{
	struct hf_vm *vm = vcpu->vm, *receiver;
	struct hf_run r;

	clear_bit(WOKEN, &vcpu->woken);
	WRITE_ONCE(vcpu->waits_for_message, false);
	/* Whatever is put where the hypervisor finds it after this line sets WOKEN after it as well. */
	smp_mb__after_atomic();
	r = run(vcpu);

	switch (r.how) {
	case HF_PREEMPTED:
		/*
		 * INTERRUPT: "If the scheduling quantum has not expired, the scheduler MUST call hf_vcpu_run
		 * on the vCPU to allow it to continue." Linux knows about the quantum.
		 */
		hf_count(vm, HF_RUN_INTERRUPT, 1);
		cond_resched();
		break;
	case HF_YIELDED:
		/*
		 * YIELD: "SHOULD take a scheduling decision to give cycles to those that need them but MUST
		 * call hf_vcpu_run on the vCPU at a later point."
		 */
		hf_count(vm, HF_RUN_YIELD, 1);
		yield();
		break;
	case HF_WAITS_FOR_MESSAGE:
		/*
		 * MSG_WAIT: "MUST take it off the run queue and not call SPCI_RUN on the vCPU until it has
		 * either injected an interrupt, sent it a message, received HF_SPCI_RUN_WAKE_UP for it", or
		 * "the timeout provided in w2 is not SPCI_SLEEP_INDEFINITE and the specified duration has
		 * expired". All of the former call hf_wake.
		 */
		hf_count(vm, HF_RUN_MSG_WAIT, 1);
		WRITE_ONCE(vcpu->waits_for_message, true);
		block(vcpu, timeout(r));
		break;
	case HF_WAITS_FOR_INTERRUPT:
		/* WAIT_FOR_INTERRUPT: the same, but for the message. */
		hf_count(vm, HF_RUN_WAIT_FOR_INTERRUPT, 1);
		block(vcpu, timeout(r));
		break;
	case HF_SENT_TO_US:
		/* MSG_SEND: "If the recipient is the scheduler VM itself then it can handle it as it pleases." */
		hf_count(vm, HF_RUN_MSG_SEND, 1);
		hf_receive(vm, r.size);
		/* MSG_SEND: "should call SPCI_RUN again on the sending VM as usual." */
		cond_resched();
		break;
	case HF_SENT_TO:
		/*
		 * MSG_SEND: "Otherwise the scheduler MUST run a vCPU from the recipient VM and priority SHOULD be
		 * given to those vCPUs that are waiting for a message."
		 */
		hf_count(vm, HF_RUN_MSG_SEND, 1);
		hf_count(vm, HF_MSG_BETWEEN, 1);
		receiver = hf_find_vm(r.vm);
		if (receiver)
			hf_wake_receiver(receiver, HF_ANY_VCPU);
		cond_resched();
		break;
	case HF_WRITABLE:
		/*
		 * RX_RELEASE: "MUST call hf_mailbox_waiter_get() repeatedly and notify all waiters by injecting
		 * an HF_MAILBOX_WRITABLE_INTID interrupt." And then run this one again.
		 */
		hf_count(vm, HF_RUN_RX_RELEASE, 1);
		hf_notify_waiters(vm->id);
		cond_resched();
		break;
	case HF_WAKES:
		/* WAKE_UP: "should call SPCI_RUN again on the sending VM as usual." */
		hf_count(vm, HF_RUN_WAKE_UP, 1);
		wake_other(r);
		cond_resched();
		break;
	default:
		failed(vcpu, r);
	}
}

static int vcpu_thread(void *data)
{
	struct hf_vcpu *vcpu = data;

	/* vCPU 0 is on from the start; the others wait until a sibling powers them on: WAKE_UP. */
	if (vcpu->index != 0)
		block(vcpu, KTIME_MAX);
	while (!kthread_should_stop())
		run_and_follow(vcpu);
	return 0;
}

int hf_create_vcpus(struct hf_vm *vm)
{
	struct task_struct *task;
	u16 i;

	for (i = 0; i < vm->vcpu_count; i++) {
		task = kthread_create(vcpu_thread, &vm->vcpus[i], "hf%u/%u", vm->id, i);
		if (IS_ERR(task))
			return PTR_ERR(task);
		/* hf_wake may look at it until hf_stop_vcpus. */
		vm->vcpus[i].task = get_task_struct(task);
	}
	return 0;
}

void hf_start_vcpus(struct hf_vm *vm)
{
	u16 i;

	for (i = 0; i < vm->vcpu_count; i++)
		wake_up_process(vm->vcpus[i].task);
}

void hf_stop_vcpus(struct hf_vm *vm)
{
	u16 i;

	for (i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpus[i].task)
			kthread_stop_put(vm->vcpus[i].task);
	}
}
