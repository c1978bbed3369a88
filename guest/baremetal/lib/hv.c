// SPDX-License-Identifier: Apache-2.0
#include "hv.h"

// Of the two interfaces only that of January 2019 answers this number to every VM.
bool hv_january(void)
{
	static enum { UNKNOWN, NOVEMBER, JANUARY } interface;

	if (load(&interface) == UNKNOWN)
		store(&interface, jan_call(JAN_VM_GET_ID, 0, 0, 0) == (uint64_t)-1 ? NOVEMBER : JANUARY);
	return load(&interface) == JANUARY;
}

uint16_t hv_primary(void)
{
	return hv_january() ? JAN_PRIMARY : SPCI_PRIMARY;
}

uint16_t hv_secondary(uint32_t n)
{
	return (uint16_t)(hv_primary() + 1 + n);
}

uint64_t hv_vcpu_count(uint16_t vm)
{
	return hvc(hv_january() ? JAN_VCPU_GET_COUNT : HF_VCPU_GET_COUNT, vm, 0, 0, 0).x[0];
}

void hv_map(void)
{
	bool ok = hv_january() ? jan_call(JAN_VM_CONFIGURE, (uintptr_t)tx, (uintptr_t)rx, 0) == 0
			       : func(spci_map()) == SPCI_SUCCESS;

	if (!ok) {
		print("FAIL map\n");
		die();
	}
}

static struct hv_run january_run(uint16_t vm, uint16_t vcpu)
{
	uint64_t x0 = jan_call(JAN_VCPU_RUN, vm, vcpu, 0);
	struct hv_run r = { .kind = RAN_STRANGE, .vm = vm, .vcpu = vcpu, .x0 = x0 };

	switch (jan_code(x0)) {
	case RUN_PREEMPTED:
		r.kind = RAN_PREEMPTED;
		break;
	case RUN_YIELD:
		r.kind = RAN_YIELDED;
		break;
	case RUN_SLEEP:
		r.ns = x0 >> 8;
		// fall through
	case RUN_WAIT_FOR_INTERRUPT:
		r.kind = RAN_WAITS;
		break;
	case RUN_WAKE_UP:
		r.kind = RAN_WAKES;
		r.vm = (uint16_t)jan_wake_vm(x0);
		r.vcpu = (uint16_t)jan_wake_vcpu(x0);
		break;
	case RUN_MESSAGE:
		r.kind = RAN_SENT;
		r.size = jan_size(x0);
		break;
	case RUN_NOTIFY_WAITERS:
		r.kind = RAN_NOTIFIES;
		break;
	}
	return r;
}

static struct hv_run november_run(uint16_t vm, uint16_t vcpu)
{
	struct regs x = spci_run(vm, vcpu);
	struct hv_run r = { .kind = RAN_STRANGE, .vm = vm, .vcpu = vcpu, .x0 = x.x[0] };

	switch (func(x)) {
	case SPCI_INTERRUPT:
		r.kind = RAN_PREEMPTED;
		break;
	case SPCI_YIELD:
		r.kind = RAN_YIELDED;
		break;
	case SPCI_MSG_WAIT:
	case HF_WAIT_FOR_INTERRUPT:
		r.kind = RAN_WAITS;
		r.ns = x.x[2];
		break;
	case HF_WAKE_UP:
		r.kind = RAN_WAKES;
		r.vm = high(x.x[1]);
		r.vcpu = low(x.x[1]);
		break;
	case SPCI_MSG_SEND:
		r.kind = low(x.x[1]) == SPCI_PRIMARY ? RAN_SENT : RAN_WAKES;
		r.vm = r.kind == RAN_SENT ? vm : low(x.x[1]);
		r.vcpu = r.kind == RAN_SENT ? vcpu : HV_ANY_VCPU;
		r.size = (uint32_t)x.x[3];
		break;
	case SPCI_RX_RELEASE:
		r.kind = RAN_NOTIFIES;
		break;
	case SPCI_ERROR:
		if (error(x) == SPCI_ABORTED)
			r.kind = RAN_DIED;
		else if (error(x) == SPCI_BUSY)
			r.kind = RAN_BUSY;
		else if (error(x) == SPCI_INVALID_PARAMETERS)
			r.kind = RAN_WAITS;
		break;
	}
	return r;
}

struct hv_run hv_run(uint16_t vm, uint16_t vcpu)
{
	return hv_january() ? january_run(vm, vcpu) : november_run(vm, vcpu);
}

void hv_yield(void)
{
	hvc(hv_january() ? JAN_VCPU_YIELD : SPCI_YIELD, 0, 0, 0, 0);
}

struct hv_message hv_receive(bool block)
{
	if (hv_january()) {
		uint64_t m = jan_call(JAN_MAILBOX_RECEIVE, block, 0, 0);

		return (struct hv_message){ jan_sender(m) != JAN_NO_VM, (uint16_t)jan_sender(m), jan_size(m) };
	}
	struct regs r = hvc(block ? SPCI_MSG_WAIT : SPCI_MSG_POLL, 0, 0, 0, 0);

	return (struct hv_message){ func(r) == SPCI_MSG_SEND, high(r.x[1]), (uint32_t)r.x[3] };
}

bool hv_send(uint16_t to, uint32_t size)
{
	if (hv_january())
		return jan_call(JAN_MAILBOX_SEND, to, size, false) != (uint64_t)-1;
	uint16_t self = spci_id();

	return func(spci_send(self, to, size, 0)) == SPCI_SUCCESS;
}

void hv_release(void)
{
	hvc(hv_january() ? JAN_MAILBOX_CLEAR : SPCI_RX_RELEASE, 0, 0, 0, 0);
}

void hv_interrupt_enable(uint32_t intid)
{
	hvc(hv_january() ? JAN_INTERRUPT_ENABLE : HF_INTERRUPT_ENABLE, intid, true, 0, 0);
}

uint32_t hv_interrupt_get(void)
{
	return (uint32_t)hvc(hv_january() ? JAN_INTERRUPT_GET : HF_INTERRUPT_GET, 0, 0, 0, 0).x[0];
}

int64_t hv_interrupt_inject(uint16_t vm, uint16_t vcpu, uint32_t intid)
{
	return (int64_t)hvc(hv_january() ? JAN_INTERRUPT_INJECT : HF_INTERRUPT_INJECT, vm, vcpu, intid, 0).x[0];
}
