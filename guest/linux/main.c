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
static const struct hf_abi *find_abi(void)
{
	static const struct hf_abi *const known[] = { &hf_abi_spci, &hf_abi_jan };
	int i;

	if (arm_smccc_1_1_get_conduit() != SMCCC_CONDUIT_HVC)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i]->probe() == 0)
			return known[i];
	}
	return NULL;
}

/* Registers a page to send from and one to receive in. There is no call to take them back: they stay ours. */
static int map_buffers(bool *waiters)
{
	int ret = -ENOMEM;

	hf->send = (void *)get_zeroed_page(GFP_KERNEL);
	hf->recv = (void *)get_zeroed_page(GFP_KERNEL);
	if (hf->send && hf->recv)
		ret = hf->abi->map(virt_to_phys(hf->send), virt_to_phys(hf->recv));
	if (ret >= 0) {
		*waiters = ret;
		return 0;
	}
	if (ret == -EBUSY)
		pr_err("this VM has registered its buffers before, and they cannot be replaced until it reboots\n");
	free_page((unsigned long)hf->send);
	free_page((unsigned long)hf->recv);
	return ret;
}

static int add_vm(u16 id, u64 vcpus)
{
	struct hf_vm **vms, *vm;

	if (vcpus == 0 || vcpus > HF_MAX_VCPUS) {
		pr_err("VM %u has %llu vCPUs\n", id, vcpus);
		return -EIO;
	}
	vms = krealloc_array(hf->vms, hf->vm_count + 1, sizeof(*vms), GFP_KERNEL);
	if (!vms)
		return -ENOMEM;
	hf->vms = vms;
	vm = new_vm(id, vcpus);
	if (!vm)
		return -ENOMEM;
	hf->vms[hf->vm_count++] = vm;
	return 0;
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
	hf->id = hf->abi->own_id();
	ret = map_buffers(&waiters);
	if (ret)
		return ret;
	ret = hf->abi->find(hf->recv, add_vm);
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
	pr_info("scheduling %u secondary VMs, interface %s\n", hf->vm_count, hf->abi->name);
	return 0;
}

static int __init hfvmm_init(void)
{
	const struct hf_abi *abi = find_abi();
	int ret;

	if (!abi)
		return -ENODEV;
	hf = kzalloc(sizeof(*hf), GFP_KERNEL);
	if (!hf)
		return -ENOMEM;
	hf->abi = abi;
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
MODULE_DESCRIPTION("Scheduler of Hafnium's secondary VMs");
MODULE_LICENSE("GPL");
