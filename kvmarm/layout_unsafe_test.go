package kvmarm

import (
	"reflect"
	"testing"
	"unsafe"
)

// The numbers are what a C compiler for arm64 says of linux/kvm.h.

func TestStructuresHaveTheSizesOfTheKernel(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"kvm_run up to device_irq_level", unsafe.Sizeof(runPage{}), 312},
		{"kvm_userspace_memory_region", unsafe.Sizeof(memoryRegion{}), 32},
		{"kvm_irq_level", unsafe.Sizeof(irqLevel{}), 8},
		{"kvm_enable_cap", unsafe.Sizeof(enableCap{}), 104},
		{"kvm_one_reg", unsafe.Sizeof(oneReg{}), 16},
		{"kvm_vcpu_init", unsafe.Sizeof(vcpuInit{}), 32},
		{"kvm_device_attr", unsafe.Sizeof(deviceAttr{}), 24},
		{"kvm_create_device", unsafe.Sizeof(createDevice{}), 12},
		{"kvm_smccc_filter", unsafe.Sizeof(smcccFilter{}), 24},
		{"kvm_guest_debug", unsafe.Sizeof(guestDebug{}), 520},
		{"kvm_vcpu_events", unsafe.Sizeof(vcpuEvents{}), 64},
		{"kvm_arm_counter_offset", unsafe.Sizeof(counterOffset{}), 16},
		{"kvm_stats_header", unsafe.Sizeof(statsHeader{}), 24},
		{"kvm_stats_desc", unsafe.Sizeof(statsDesc{}), 16},
	} {
		if c.got != c.want {
			t.Errorf("%s has %d bytes, want %d", c.name, c.got, c.want)
		}
	}
}

func TestFieldsLieWhereTheKernelHasThem(t *testing.T) {
	var (
		run  runPage
		hc   exitHypercall
		dbg  exitDebug
		mmio exitMMIO
		fail exitFailEntry
		ierr exitInternal
		ev   exitSystemEvent
		nisv exitNISV
		mr   memoryRegion
		irq  irqLevel
		ec   enableCap
		reg  oneReg
		init vcpuInit
		attr deviceAttr
		dev  createDevice
		filt smcccFilter
		gd   guestDebug
		evts vcpuEvents
		co   counterOffset
		sh   statsHeader
		sd   statsDesc
	)
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"run.immediate_exit's word", unsafe.Offsetof(run.requests), 0},
		{"run.exit_reason", unsafe.Offsetof(run.exitReason), 8},
		{"run.hw", unsafe.Offsetof(run.exit), exitOffset},
		{"run.s.regs.device_irq_level", unsafe.Offsetof(run.deviceIRQLevel), 304},
		{"run.hypercall.nr", exitOffset + unsafe.Offsetof(hc.nr), 32},
		{"run.hypercall.flags", exitOffset + unsafe.Offsetof(hc.flags), 96},
		{"run.debug.arch.hsr", exitOffset + unsafe.Offsetof(dbg.hsr), 32},
		{"run.debug.arch.hsr_high", exitOffset + unsafe.Offsetof(dbg.hsrHigh), 36},
		{"run.debug.arch.far", exitOffset + unsafe.Offsetof(dbg.far), 40},
		{"run.mmio.phys_addr", exitOffset + unsafe.Offsetof(mmio.physAddr), 32},
		{"run.mmio.data", exitOffset + unsafe.Offsetof(mmio.data), 40},
		{"run.mmio.len", exitOffset + unsafe.Offsetof(mmio.len), 48},
		{"run.mmio.is_write", exitOffset + unsafe.Offsetof(mmio.isWrite), 52},
		{"run.fail_entry.hardware_entry_failure_reason", exitOffset + unsafe.Offsetof(fail.reason), 32},
		{"run.fail_entry.cpu", exitOffset + unsafe.Offsetof(fail.cpu), 40},
		{"run.internal.suberror", exitOffset + unsafe.Offsetof(ierr.suberror), 32},
		{"run.system_event.type", exitOffset + unsafe.Offsetof(ev.kind), 32},
		{"run.arm_nisv.esr_iss", exitOffset + unsafe.Offsetof(nisv.esrISS), 32},
		{"run.arm_nisv.fault_ipa", exitOffset + unsafe.Offsetof(nisv.faultIPA), 40},
		{"memory_region.slot", unsafe.Offsetof(mr.slot), 0},
		{"memory_region.flags", unsafe.Offsetof(mr.flags), 4},
		{"memory_region.guest_phys_addr", unsafe.Offsetof(mr.guestPhysAddr), 8},
		{"memory_region.memory_size", unsafe.Offsetof(mr.memorySize), 16},
		{"memory_region.userspace_addr", unsafe.Offsetof(mr.userspaceAddr), 24},
		{"irq_level.irq", unsafe.Offsetof(irq.irq), 0},
		{"irq_level.level", unsafe.Offsetof(irq.level), 4},
		{"enable_cap.cap", unsafe.Offsetof(ec.cap), 0},
		{"enable_cap.flags", unsafe.Offsetof(ec.flags), 4},
		{"enable_cap.args", unsafe.Offsetof(ec.args), 8},
		{"one_reg.id", unsafe.Offsetof(reg.id), 0},
		{"one_reg.addr", unsafe.Offsetof(reg.addr), 8},
		{"vcpu_init.target", unsafe.Offsetof(init.target), 0},
		{"vcpu_init.features", unsafe.Offsetof(init.features), 4},
		{"device_attr.flags", unsafe.Offsetof(attr.flags), 0},
		{"device_attr.group", unsafe.Offsetof(attr.group), 4},
		{"device_attr.attr", unsafe.Offsetof(attr.attr), 8},
		{"device_attr.addr", unsafe.Offsetof(attr.addr), 16},
		{"create_device.type", unsafe.Offsetof(dev.kind), 0},
		{"create_device.fd", unsafe.Offsetof(dev.fd), 4},
		{"create_device.flags", unsafe.Offsetof(dev.flags), 8},
		{"smccc_filter.base", unsafe.Offsetof(filt.base), 0},
		{"smccc_filter.nr_functions", unsafe.Offsetof(filt.nrFunctions), 4},
		{"smccc_filter.action", unsafe.Offsetof(filt.action), 8},
		{"guest_debug.control", unsafe.Offsetof(gd.control), 0},
		{"guest_debug.arch.dbg_bcr", unsafe.Offsetof(gd.bcr), 8},
		{"guest_debug.arch.dbg_bvr", unsafe.Offsetof(gd.bvr), 136},
		{"guest_debug.arch.dbg_wcr", unsafe.Offsetof(gd.wcr), 264},
		{"guest_debug.arch.dbg_wvr", unsafe.Offsetof(gd.wvr), 392},
		{"vcpu_events.exception.serror_pending", unsafe.Offsetof(evts.serrorPending), 0},
		{"vcpu_events.exception.serror_has_esr", unsafe.Offsetof(evts.serrorHasESR), 1},
		{"vcpu_events.exception.ext_dabt_pending", unsafe.Offsetof(evts.extDABTPending), 2},
		{"vcpu_events.exception.serror_esr", unsafe.Offsetof(evts.serrorESR), 8},
		{"arm_counter_offset.counter_offset", unsafe.Offsetof(co.offset), 0},
		{"stats_header.name_size", unsafe.Offsetof(sh.NameSize), 4},
		{"stats_header.num_desc", unsafe.Offsetof(sh.NumDesc), 8},
		{"stats_header.desc_offset", unsafe.Offsetof(sh.DescOffset), 16},
		{"stats_header.data_offset", unsafe.Offsetof(sh.DataOffset), 20},
		{"stats_desc.size", unsafe.Offsetof(sd.Size), 6},
		{"stats_desc.offset", unsafe.Offsetof(sd.Offset), 8},
		{"stats_desc.bucket_size", unsafe.Offsetof(sd.BucketSize), 12},
	} {
		if c.got != c.want {
			t.Errorf("%s is at %d, want %d", c.name, c.got, c.want)
		}
	}
}

func TestExitViewsFitIntoTheUnion(t *testing.T) {
	for _, v := range []any{
		exitHypercall{}, exitDebug{}, exitMMIO{}, exitFailEntry{}, exitInternal{}, exitSystemEvent{}, exitNISV{},
	} {
		if size := reflect.TypeOf(v).Size(); size > exitSize {
			t.Errorf("%T has %d bytes, more than the %d of the union", v, size, exitSize)
		}
	}
}

// The macros _IO, _IOR, _IOW and _IOWR of asm-generic/ioctl.h.
func macroIO(dir, nr, size int) request {
	return request(dir<<dirShift | size<<sizeShift | kvmIO<<typeShift | nr)
}

func TestRequestsAreWhatTheMacrosOfTheKernelMake(t *testing.T) {
	io := func(nr int) request { return macroIO(dirNone, nr, 0) }
	ior := func(nr int, size uintptr) request { return macroIO(dirRead, nr, int(size)) }
	iow := func(nr int, size uintptr) request { return macroIO(dirWrite, nr, int(size)) }
	iowr := func(nr int, size uintptr) request { return macroIO(dirRead|dirWrite, nr, int(size)) }
	cases := []struct {
		got, macro, literal request
	}{
		{reqGetAPIVersion, io(0x00), 0xae00},
		{reqCreateVM, io(0x01), 0xae01},
		{reqCheckExtension, io(0x03), 0xae03},
		{reqGetVCPUMmapSize, io(0x04), 0xae04},
		{reqCreateVCPU, io(0x41), 0xae41},
		{reqSetUserMemoryRegion, iow(0x46, unsafe.Sizeof(memoryRegion{})), 0x4020ae46},
		{reqIRQLine, iow(0x61, unsafe.Sizeof(irqLevel{})), 0x4008ae61},
		{reqRun, io(0x80), 0xae80},
		{reqGetMPState, ior(0x98, 4), 0x8004ae98},
		{reqSetMPState, iow(0x99, 4), 0x4004ae99},
		{reqSetGuestDebug, iow(0x9b, unsafe.Sizeof(guestDebug{})), 0x4208ae9b},
		{reqGetVCPUEvents, ior(0x9f, unsafe.Sizeof(vcpuEvents{})), 0x8040ae9f},
		{reqSetVCPUEvents, iow(0xa0, unsafe.Sizeof(vcpuEvents{})), 0x4040aea0},
		{reqEnableCap, iow(0xa3, unsafe.Sizeof(enableCap{})), 0x4068aea3},
		{reqGetOneReg, iow(0xab, unsafe.Sizeof(oneReg{})), 0x4010aeab},
		{reqSetOneReg, iow(0xac, unsafe.Sizeof(oneReg{})), 0x4010aeac},
		{reqARMVCPUInit, iow(0xae, unsafe.Sizeof(vcpuInit{})), 0x4020aeae},
		{reqARMPreferredTarget, ior(0xaf, unsafe.Sizeof(vcpuInit{})), 0x8020aeaf},
		{reqARMSetCounterOffset, iow(0xb5, unsafe.Sizeof(counterOffset{})), 0x4010aeb5},
		{reqGetStatsFD, io(0xce), 0xaece},
		{reqCreateDevice, iowr(0xe0, unsafe.Sizeof(createDevice{})), 0xc00caee0},
		{reqSetDeviceAttr, iow(0xe1, unsafe.Sizeof(deviceAttr{})), 0x4018aee1},
		{reqGetDeviceAttr, iow(0xe2, unsafe.Sizeof(deviceAttr{})), 0x4018aee2},
		{reqHasDeviceAttr, iow(0xe3, unsafe.Sizeof(deviceAttr{})), 0x4018aee3},
	}
	for _, c := range cases {
		if c.got != c.macro || c.got != c.literal {
			t.Errorf("%v is %#x, the macro makes %#x, the header says %#x", c.got, uint32(c.got), uint32(c.macro), uint32(c.literal))
		}
	}
	if len(cases) != len(requestNames) {
		t.Errorf("%d requests are checked, %d have names", len(cases), len(requestNames))
	}
}
