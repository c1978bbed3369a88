/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver of a scheduling (primary) VM.
 *
 *   main.c    finds the interface and the VMs, brings everything up and down
 *   spci.c    the interface of November 2019
 *   hf.c      the interface of January 2019
 *   vcpu.c    one kernel thread per vCPU, and what to do after each run
 *   message.c the mailboxes: sending, receiving, waiters
 *   chardev.c /dev/hfN
 *   stats.c   debugfs: counters, and a file to inject interrupts
 */
#ifndef HFVMM_H
#define HFVMM_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "abi.h"

#define HF_MAX_VCPUS 512
#define HF_QUEUE_MAX 64 /* messages of one VM that nobody has read yet */

enum hf_stat {
	HF_MSG_TO, /* primary to VM */
	HF_BYTES_TO,
	HF_MSG_FROM, /* VM to primary */
	HF_BYTES_FROM,
	HF_MSG_BETWEEN, /* VM to another secondary */
	HF_SEND_BUSY,
	HF_DROPPED, /* from the VM, for want of memory */
	HF_NOTIFIED, /* VM told that a mailbox became writable */
	HF_INJECTED,
	HF_RUN,
	HF_RUN_INTERRUPT,
	HF_RUN_YIELD,
	HF_RUN_MSG_WAIT,
	HF_RUN_WAIT_FOR_INTERRUPT,
	HF_RUN_MSG_SEND,
	HF_RUN_RX_RELEASE,
	HF_RUN_WAKE_UP,
	HF_RUN_ABORTED,
	HF_RUN_ERROR,
	HF_RUN_NS, /* time spent in runs */
	HF_STATS,
};

struct hf_message {
	struct list_head link;
	u32 size;
	u8 data[];
};

struct hf_vcpu {
	struct hf_vm *vm;
	u16 index;
	bool waits_for_message; /* its last run ended with that */
	unsigned long woken; /* bit 0: run it again, whatever it said */
	wait_queue_head_t wait;
	struct task_struct *task;
};

struct hf_vm {
	u16 id;
	u16 vcpu_count;
	bool dead; /* one of its vCPUs aborted */
	bool writable; /* false from a BUSY until the notification */
	wait_queue_head_t read_wait, write_wait;
	spinlock_t lock; /* of queue */
	struct list_head queue;
	u32 queued;
	wait_queue_head_t space_wait; /* vCPUs whose message filled the queue */
	atomic64_t stats[HF_STATS];
	struct miscdevice misc;
	char name[8];
	struct hf_vcpu vcpus[] __counted_by(vcpu_count);
};

/* All that exists once. */
struct hf {
	const struct hf_abi *abi;
	u16 id; /* of this VM */
	u16 vm_count; /* secondaries */
	void *send, *recv; /* the mailbox pages; never freed once they are registered */
	struct mutex send_lock;
	struct hf_vm **vms;
};

extern struct hf *hf;

struct hf_vm *hf_find_vm(u16 id);

static inline void hf_count(struct hf_vm *vm, enum hf_stat stat, u64 n)
{
	atomic64_add(n, &vm->stats[stat]);
}

/* vcpu.c */
int hf_create_vcpus(struct hf_vm *vm);
void hf_start_vcpus(struct hf_vm *vm);
void hf_stop_vcpus(struct hf_vm *vm);
void hf_wake(struct hf_vcpu *vcpu);
void hf_wake_receiver(struct hf_vm *vm, u16 vcpu);
int hf_inject(struct hf_vm *vm, u16 vcpu, u32 intid);

/* message.c */
int hf_send(struct hf_vm *vm, const void *data, u32 size);
void hf_receive(struct hf_vm *vm, u32 size);
void hf_notify_waiters(u16 id);
void hf_free_queue(struct hf_vm *vm);

/* chardev.c */
int hf_add_device(struct hf_vm *vm);
void hf_remove_device(struct hf_vm *vm);

/* stats.c */
void hf_add_stats(void);
void hf_remove_stats(void);

#endif
