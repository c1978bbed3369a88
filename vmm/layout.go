package vmm

import "fmt"

// The guest-physical map of every VM, the low part of QEMU's `virt` machine, so that images built
// for that machine run here too:
//
//	0x0800_0000  GICv3 distributor        (VMs with a GIC)
//	0x080A_0000  GICv3 redistributors     (VMs with a GIC, 128 KiB for each vCPU)
//	0x0900_0000  PL011 UART, SPI 1        (VMs with a GIC)
//	0x0901_0000  PL031 RTC, SPI 2         (primary)
//	0x4000_0000  RAM: the primary from the bottom, secondaries from the top, first listed highest
const (
	gicDistBase   = 0x0800_0000
	gicRedistBase = 0x080A_0000
	uartBase      = 0x0900_0000
	rtcBase       = 0x0901_0000
	ramBase       = 0x4000_0000

	gicDistSize   = 0x1_0000
	gicRedistSize = 0x2_0000 // of each vCPU
	deviceSize    = 0x1000
	uartSPI       = 1
	rtcSPI        = 2
	// numIRQs is the GIC's number of INTIDs: 32 private ones and 64 SPIs.
	numIRQs = 96
)

const (
	pageSize = 4096
	// blockSize is what Linux maps RAM with; the primary's RAM keeps this alignment.
	blockSize = 2 << 20
	// maxSecondaryVCPUs is how many vCPUs KVM gives a VM whose interrupt lines we drive.
	maxSecondaryVCPUs = 256
	// maxCPUs is what the redistributor window below the UART holds.
	maxCPUs = (uartBase - gicRedistBase) / gicRedistSize
)

// span is a range of IPAs.
type span struct {
	base, size uint64
}

func (s span) end() uint64 { return s.base + s.size }

// contains reports whether [ipa, ipa+size) lies in s, without overflow.
func (s span) contains(ipa, size uint64) bool {
	return ipa >= s.base && size <= s.size && ipa-s.base <= s.size-size
}

// carve divides RAM of the given size: element 0 is the primary's span, i the i-th secondary's.
func carve(size uint64, secondaries []Secondary) ([]span, error) {
	if size%pageSize != 0 {
		return nil, fmt.Errorf("%w: memory of %d bytes is not a multiple of %d", ErrUsage, size, pageSize)
	}
	spans := make([]span, 1+len(secondaries))
	left := size
	for i, s := range secondaries {
		if s.Memory == 0 || s.Memory%pageSize != 0 {
			return nil, fmt.Errorf("%w: secondary %s has %d bytes of memory; give it a multiple of %d",
				ErrUsage, s.Name, s.Memory, pageSize)
		}
		if s.Memory > left {
			return nil, fmt.Errorf("%w: secondary %s wants %d bytes but only %d of the machine's %d are left; raise --mem",
				ErrUsage, s.Name, s.Memory, left, size)
		}
		left -= s.Memory
		if s.GIC { // a kernel starts at such a boundary
			left &^= blockSize - 1
		}
		spans[1+i] = span{ramBase + left, s.Memory}
	}
	left &^= blockSize - 1
	if left == 0 {
		return nil, fmt.Errorf("%w: the secondaries leave the primary less than 2 MiB of the machine's %d bytes; raise --mem",
			ErrUsage, size)
	}
	spans[0] = span{ramBase, left}
	return spans, nil
}
