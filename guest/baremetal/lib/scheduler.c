// SPDX-License-Identifier: Apache-2.0
#include "scheduler.h"

enum state {
	READY,       // may run
	WAIT_MSG,    // blocked in MSG_WAIT
	WAIT_INTR,   // blocked in WFI, or off
	DEAD,
};

struct vcpu {
	enum state state;
	uint64_t deadline; // counter value at which a blocked vCPU may run again, 0 for never
};

struct vm {
	uint32_t vcpus;
	uint32_t writable;
	struct vcpu vcpu[MAX_VCPUS];
};

static struct vm vms[MAX_VMS + 1]; // by SPCI id
static uint32_t last_vm;

void pass(void)
{
	print("PASS\n");
	die();
}

bool is_dead(uint16_t vm)
{
	return vms[vm].vcpu[0].state == DEAD;
}

uint32_t times_writable(uint16_t vm)
{
	return vms[vm].writable;
}

void scheduler_start(uint32_t secondaries)
{
	uint64_t count = hvc(HF_VM_GET_COUNT, 0, 0, 0, 0).x[0];

	check(count > secondaries && count <= MAX_VMS, "%lu VMs, need %u secondaries", count, secondaries);
	last_vm = (uint32_t)count;
	for (uint32_t vm = FIRST_SECONDARY; vm <= last_vm; vm++) {
		uint64_t vcpus = hvc(HF_VCPU_GET_COUNT, vm, 0, 0, 0).x[0];

		check(vcpus >= 1 && vcpus <= MAX_VCPUS, "VM %u has %lu vCPUs", vm, vcpus);
		vms[vm].vcpus = (uint32_t)vcpus;
		for (uint32_t i = 1; i < vcpus; i++)
			vms[vm].vcpu[i].state = WAIT_INTR;
	}
	struct regs r = spci_map();
	check(func(r) == SPCI_SUCCESS, "map: %d", error(r));
}

static void wake(uint16_t vm, uint16_t vcpu)
{
	check(vm >= FIRST_SECONDARY && vm <= last_vm && vcpu < vms[vm].vcpus, "wake of VM %u vCPU %u", vm, vcpu);
	if (vms[vm].vcpu[vcpu].state != DEAD)
		vms[vm].vcpu[vcpu].state = READY;
}

// A message for vm: the vCPU that waits for one, else any.
static void wake_receiver(uint16_t vm)
{
	for (uint16_t i = 0; i < vms[vm].vcpus; i++) {
		if (vms[vm].vcpu[i].state == WAIT_MSG) {
			wake(vm, i);
			return;
		}
	}
	wake(vm, 0);
}

// The mailbox of vm is free: tell whoever waits for that.
static void notify_waiters(uint16_t vm)
{
	for (int64_t waiter; (waiter = hf_waiter_get(vm)) != HF_NONE;) {
		if (waiter == SPCI_PRIMARY)
			continue;
		for (uint16_t i = 0; i < vms[waiter].vcpus; i++) {
			hf_interrupt_inject((uint16_t)waiter, i, INTID_WRITABLE);
			wake((uint16_t)waiter, i);
		}
	}
	for (int64_t ready; (ready = hf_writable_get()) != HF_NONE;)
		vms[ready].writable++;
}

static void block(struct vcpu *v, enum state state, uint64_t ns)
{
	v->state = state;
	v->deadline = ns ? counter() + us_to_ticks(ns / 1000 + 1) : 0;
}

struct regs run_once(uint16_t vm, uint16_t vcpu)
{
	struct vcpu *v = &vms[vm].vcpu[vcpu];
	struct regs r = spci_run(vm, vcpu);

	switch (func(r)) {
	case SPCI_INTERRUPT:
	case SPCI_YIELD:
		break;
	case SPCI_MSG_WAIT:
		block(v, WAIT_MSG, r.x[2]);
		break;
	case HF_WAIT_FOR_INTERRUPT:
		block(v, WAIT_INTR, r.x[2]);
		break;
	case SPCI_MSG_SEND:
		if (low(r.x[1]) != SPCI_PRIMARY)
			wake_receiver(low(r.x[1]));
		break;
	case SPCI_RX_RELEASE:
		notify_waiters(vm);
		break;
	case HF_WAKE_UP:
		wake(high(r.x[1]), low(r.x[1]));
		break;
	case SPCI_ERROR:
		if (error(r) == SPCI_ABORTED) {
			for (uint32_t i = 0; i < vms[vm].vcpus; i++)
				vms[vm].vcpu[i].state = DEAD;
		} else {
			block(v, WAIT_INTR, 0);
		}
		break;
	default:
		check(false, "VM %u vCPU %u: run returned 0x%lx", vm, vcpu, r.x[0]);
	}
	return r;
}

struct regs run_through(uint16_t vm, uint16_t vcpu)
{
	struct regs r;

	do
		r = run_once(vm, vcpu);
	while (func(r) == SPCI_INTERRUPT);
	return r;
}

// Makes vCPUs ready whose time has come. Reports whether any vCPU is ready, or may be later.
static bool anything_to_do(void)
{
	uint64_t now = counter();
	bool any = false;

	for (uint32_t vm = FIRST_SECONDARY; vm <= last_vm; vm++) {
		for (uint32_t i = 0; i < vms[vm].vcpus; i++) {
			struct vcpu *v = &vms[vm].vcpu[i];

			if (v->state == DEAD)
				continue;
			if (v->state != READY && v->deadline && now >= v->deadline)
				v->state = READY;
			if (v->state == READY || v->deadline)
				any = true;
		}
	}
	return any;
}

struct message receive(void)
{
	while (anything_to_do()) {
		for (uint16_t vm = FIRST_SECONDARY; vm <= last_vm; vm++) {
			for (uint16_t i = 0; i < vms[vm].vcpus; i++) {
				if (vms[vm].vcpu[i].state != READY)
					continue;
				struct regs r = run_once(vm, i);
				if (func(r) == SPCI_MSG_SEND && low(r.x[1]) == SPCI_PRIMARY)
					return (struct message){ high(r.x[1]), (uint32_t)r.x[3] };
			}
		}
	}
	return (struct message){ 0, 0 };
}

void release(void)
{
	struct regs r = spci_release();

	if (func(r) == SPCI_RX_RELEASE)
		notify_waiters(SPCI_PRIMARY);
	else
		check(func(r) == SPCI_SUCCESS, "release: 0x%lx, error %d", r.x[0], error(r));
}

int32_t send(uint16_t vm, uint32_t size)
{
	int32_t e = error(spci_send(SPCI_PRIMARY, vm, size, SPCI_NOTIFY));

	if (!e)
		wake_receiver(vm);
	return e;
}

int32_t send_text(uint16_t vm, const char *text)
{
	memcpy(tx, text, strlen(text));
	return send(vm, (uint32_t)strlen(text));
}

void expect_text(struct message m, const char *text)
{
	rx[m.size < sizeof(rx) ? m.size : sizeof(rx) - 1] = 0;
	check(m.size == strlen(text) && memcmp(rx, text, m.size) == 0, "VM %u said \"%s\", not \"%s\"", m.from,
	      (const char *)rx, text);
}
