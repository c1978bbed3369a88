// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "hfvmm.h"

struct hf *hf;

struct hf_vm *hf_find_vm(u16 id)
{
	u16 v;

	for (v = 0; v < hf->vm_count; v++) {
		if (hf->vms[v]->id == id)
			return hf->vms[v];
	}
	return NULL;
}

static struct hf_vm *new_vm(u16 id, u16 vcpu_count)
{
	struct hf_vm *vm = kzalloc(struct_size(vm, vcpus, vcpu_count), GFP_KERNEL);
	u16 i;

	if (!vm)
		return NULL;
	vm->vcpu_count = vcpu_count;
	vm->id = id;
	vm->writable = true;
	init_waitqueue_head(&vm->read_wait);
	init_waitqueue_head(&vm->write_wait);
	init_waitqueue_head(&vm->space_wait);
	spin_lock_init(&vm->lock);
	INIT_LIST_HEAD(&vm->queue);
	for (i = 0; i < vcpu_count; i++) {
		vm->vcpus[i].vm = vm;
		vm->vcpus[i].index = i;
		init_waitqueue_head(&vm->vcpus[i].wait);
	}
	return vm;
}

/*
 * A call to nobody is not harmless: without a hypervisor HVC is an undefined instruction. The kernel was told the
 * conduit of its firmware, and only under a hypervisor is that HVC.
 */
static int check_version(void)
{
	struct spci_result r;

	if (arm_smccc_1_1_get_conduit() != SMCCC_CONDUIT_HVC)
		return -ENODEV;
	r = spci_call(SPCI_VERSION, 0, 0, 0, 0);
	if (r.func != SPCI_SUCCESS)
		return -ENODEV;
	if ((u32)r.x2 != SPCI_VERSION_0_9) {
		pr_err("the hypervisor speaks SPCI %u.%u, need 0.9\n", (u32)r.x2 >> 16, (u16)r.x2);
		return -ENODEV;
	}
	return 0;
}

/* Registers a page to send from and one to receive in. There is no call to take them back: they stay ours. */
static int map_buffers(bool *waiters)
{
	struct spci_result r;

	hf->send = (void *)get_zeroed_page(GFP_KERNEL);
	hf->recv = (void *)get_zeroed_page(GFP_KERNEL);
	if (!hf->send || !hf->recv)
		goto no_memory;
	r = spci_call(SPCI_RXTX_MAP, virt_to_phys(hf->send), virt_to_phys(hf->recv), PAGE_SIZE / SPCI_PAGE, 0);
	if (r.func == SPCI_SUCCESS || r.func == SPCI_RX_RELEASE) {
		*waiters = r.func == SPCI_RX_RELEASE;
		return 0;
	}
	free_page((unsigned long)hf->send);
	free_page((unsigned long)hf->recv);
	switch (spci_error(r)) {
	case SPCI_DENIED:
		pr_err("this VM has registered its buffers before, and they cannot be replaced until it reboots\n");
		return -EBUSY;
	case SPCI_NO_MEMORY:
		return -ENOMEM;
	default:
		pr_err("RXTX_MAP failed with %d\n", spci_error(r));
		return -EIO;
	}

no_memory:
	free_page((unsigned long)hf->send);
	free_page((unsigned long)hf->recv);
	return -ENOMEM;
}

static int add_vm(u16 id, u64 vcpus)
{
	struct hf_vm *vm;

	if (vcpus == 0 || vcpus > HF_MAX_VCPUS) {
		pr_err("VM %u has %llu vCPUs\n", id, vcpus);
		return -EIO;
	}
	vm = new_vm(id, vcpus);
	if (!vm)
		return -ENOMEM;
	hf->vms[hf->vm_count++] = vm;
	return 0;
}

/*
 * "It should request information about the VMs in the system using the SPCI_PARTITION_INFO_GET function". Hafnium
 * itself did not have that in those days; where it is missing its own two calls do the same.
 */
static int find_vms(void)
{
	struct spci_result r = spci_call(SPCI_PARTITION_INFO_GET, 0, 0, 0, 0);
	bool listed = r.func == SPCI_SUCCESS;
	s64 count = listed ? (u32)r.x2 : hf_call(HF_VM_GET_COUNT, 0, 0, 0);
	const struct spci_partition_info *info = hf->recv;
	int ret = 0;
	s64 i;

	if (count < 1 || count > SPCI_MSG_MAX / sizeof(*info)) {
		pr_err("the hypervisor reports %lld VMs\n", count);
		return -EIO;
	}
	hf->vms = kcalloc(count, sizeof(*hf->vms), GFP_KERNEL);
	if (!hf->vms)
		return -ENOMEM;
	for (i = 0; i < count && !ret; i++) {
		/* Ids are consecutive, and the primary has the first one. */
		u16 id = listed ? le16_to_cpu(info[i].id) : hf->id + i;

		if (id == hf->id)
			continue;
		ret = add_vm(id, listed ? le16_to_cpu(info[i].vcpus) : hf_call(HF_VCPU_GET_COUNT, id, 0, 0));
	}
	if (listed)
		spci_call(SPCI_RX_RELEASE, 0, 0, 0, 0);
	return ret;
}

/* Undoes whatever has been done. The mailbox pages stay with the hypervisor. */
static void tear_down(void)
{
	u16 v;

	hf_remove_stats();
	for (v = 0; v < hf->vm_count; v++) {
		if (hf->vms[v]->misc.this_device)
			hf_remove_device(hf->vms[v]);
	}
	/* A vCPU may wake those of any VM, so all stop before the first VM goes. */
	for (v = 0; v < hf->vm_count; v++)
		hf_stop_vcpus(hf->vms[v]);
	for (v = 0; v < hf->vm_count; v++) {
		hf_free_queue(hf->vms[v]);
		kfree(hf->vms[v]);
	}
	kfree(hf->vms);
	kfree(hf);
}

static int set_up(void)
{
	bool waiters = false;
	int ret;
	u16 v;

	mutex_init(&hf->send_lock);
	hf->id = spci_call(SPCI_ID_GET, 0, 0, 0, 0).x2;
	ret = map_buffers(&waiters);
	if (ret)
		return ret;
	ret = find_vms();
	/* All threads exist before the first one runs. */
	for (v = 0; v < hf->vm_count && !ret; v++)
		ret = hf_create_vcpus(hf->vms[v]);
	for (v = 0; v < hf->vm_count && !ret; v++)
		ret = hf_add_device(hf->vms[v]);
	if (ret)
		return ret;
	hf_add_stats();
	if (waiters)
		hf_notify_waiters(hf->id);
	for (v = 0; v < hf->vm_count; v++)
		hf_start_vcpus(hf->vms[v]);
	pr_info("scheduling %u secondary VMs\n", hf->vm_count);
	return 0;
}

static int __init hfvmm_init(void)
{
	int ret = check_version();

	if (ret)
		return ret;
	hf = kzalloc(sizeof(*hf), GFP_KERNEL);
	if (!hf)
		return -ENOMEM;
	ret = set_up();
	if (ret)
		tear_down();
	return ret;
}

static void __exit hfvmm_exit(void)
{
	tear_down();
}

module_init(hfvmm_init);
module_exit(hfvmm_exit);
MODULE_DESCRIPTION("Scheduler of Hafnium's secondary VMs (SPCI 0.9)");
MODULE_LICENSE("GPL");
