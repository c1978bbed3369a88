// SPDX-License-Identifier: GPL-2.0-only
/* The mailboxes: one page to send from and one to receive in, shared by all VMs that we talk to. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kthread.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "hfvmm.h"

/*
 * Sends one message. -EAGAIN: the mailbox of vm is full; vm->writable and write_wait tell when to try again.
 * -EPIPE: vm is dead.
 */
int hf_send(struct hf_vm *vm, const void *data, u32 size)
{
	u16 vcpu;
	int ret;

	if (READ_ONCE(vm->dead))
		return -EPIPE;

	mutex_lock(&hf->send_lock);
	memcpy(hf->send, data, size);
	/* Before the call, since the notification may come before it has returned. */
	WRITE_ONCE(vm->writable, false);
	ret = hf->abi->send(vm->id, size, &vcpu);
	mutex_unlock(&hf->send_lock);

	if (ret == -EAGAIN) {
		hf_count(vm, HF_SEND_BUSY, 1);
		return ret;
	}
	WRITE_ONCE(vm->writable, true);
	if (ret)
		return ret;
	hf_count(vm, HF_MSG_TO, 1);
	hf_count(vm, HF_BYTES_TO, size);
	hf_wake_receiver(vm, vcpu);
	return 0;
}

/* Frees the receive page. If somebody waits for that we are told so, and tell them. */
static void release(void)
{
	int ret = hf->abi->release();

	if (ret == 1)
		hf_notify_waiters(hf->id);
	else if (ret)
		pr_warn_ratelimited("the receive page could not be released: %d\n", ret);
}

/*
 * Takes the message that vm left in the receive page. Only the thread whose run reported it is here: the
 * page stays full until it is released. If nobody reads what the VM sends, its vCPU waits here, which keeps the
 * queue bounded and loses nothing.
 */
void hf_receive(struct hf_vm *vm, u32 size)
{
	struct hf_message *m;

	size = min_t(u32, size, HF_MSG_MAX);
	m = kmalloc(struct_size(m, data, size), GFP_KERNEL);
	if (!m) {
		hf_count(vm, HF_DROPPED, 1);
		release();
		return;
	}
	m->size = size;
	memcpy(m->data, hf->recv, size);
	release();

	hf_count(vm, HF_MSG_FROM, 1);
	hf_count(vm, HF_BYTES_FROM, size);
	spin_lock(&vm->lock);
	list_add_tail(&m->link, &vm->queue);
	vm->queued++;
	spin_unlock(&vm->lock);
	wake_up_interruptible(&vm->read_wait);

	wait_event_interruptible(vm->space_wait,
				 READ_ONCE(vm->queued) < HF_QUEUE_MAX || READ_ONCE(vm->dead) || kthread_should_stop());
}

/* The mailbox of VM id became writable. Tells everybody who waits for that: secondaries, and ourselves. */
void hf_notify_waiters(u16 id)
{
	struct hf_vm *vm;
	s64 waiter, ready;
	u16 i;

	while ((waiter = hf_call(hf->abi->mailbox_waiter_get, id, 0, 0)) >= 0) {
		if (waiter == hf->id)
			continue;
		vm = hf_find_vm(waiter);
		if (!vm)
			continue;
		hf_count(vm, HF_NOTIFIED, 1);
		/* The VM waits, not one of its vCPUs: whichever enabled the interrupt gets it. */
		for (i = 0; i < vm->vcpu_count; i++)
			hf_inject(vm, i, HF_MAILBOX_WRITABLE_INTID);
	}
	while ((ready = hf_call(hf->abi->mailbox_writable_get, 0, 0, 0)) >= 0) {
		vm = hf_find_vm(ready);
		if (!vm)
			continue;
		WRITE_ONCE(vm->writable, true);
		wake_up_interruptible(&vm->write_wait);
	}
}

void hf_free_queue(struct hf_vm *vm)
{
	struct hf_message *m, *next;

	list_for_each_entry_safe(m, next, &vm->queue, link)
		kfree(m);
}
