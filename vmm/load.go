package vmm

import (
	"crypto/rand"
	"fmt"

	"github.com/hfvmm/hfvmm/ffa"
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/vmm/boot"
)

// primaryImages is what the primary boots: its images, where they go, and the device tree that
// says so.
type primaryImages struct {
	place               boot.Placement
	kernel, initrd, fdt []byte
}

// readPrimary reads the primary's images for a VM with this RAM.
func readPrimary(cfg *Config, ram span) (*primaryImages, error) {
	k, err := boot.ReadKernel(cfg.Primary.Kernel, ram.size)
	if err != nil {
		return nil, err
	}
	im := &primaryImages{kernel: k.Image}
	if cfg.Primary.Initrd != "" {
		if im.initrd, err = boot.ReadInitrd(cfg.Primary.Initrd, ram.size); err != nil {
			return nil, err
		}
	}
	if im.place, err = boot.Place(boot.Span{Base: ram.base, Size: ram.size}, k, uint64(len(im.initrd))); err != nil {
		return nil, err
	}
	fdt := boot.FDTConfig{
		RAM:     []boot.Span{{Base: ram.base, Size: ram.size}},
		Cmdline: cfg.Primary.Cmdline,
		Initrd:  im.place.Initrd,
		GICD:    boot.Span{Base: gicDistBase, Size: gicDistSize},
		GICR:    boot.Span{Base: gicRedistBase, Size: uint64(cfg.CPUs) * gicRedistSize},
		UART:    boot.MMIO{Span: boot.Span{Base: uartBase, Size: deviceSize}, SPI: uartSPI},
		SMC:     cfg.SMC,
		SDEI:    cfg.SDEI.serves(0),
		RTC:     boot.MMIO{Span: boot.Span{Base: rtcBase, Size: deviceSize}, SPI: rtcSPI},
		Seed:    make([]byte, boot.MinSeed),
	}
	if cfg.Watchdog != 0 {
		fdt.Watchdog = uint32(watchdogCall)
	}
	for i := range cfg.CPUs {
		fdt.CPUs = append(fdt.CPUs, kvmarm.MPIDR(i))
	}
	_, _ = rand.Read(fdt.Seed) // never fails
	im.fdt, err = boot.BuildFDT(fdt)
	return im, err
}

// Validate finds what is wrong with cfg that can be seen without a host for it.
func Validate(cfg Config) error {
	if !cfg.Builtin() {
		_, err := DeviceTree(cfg)
		return err
	}
	_, err := plan(&cfg)
	return err
}

// DeviceTree returns the device tree that the primary of cfg would boot with.
func DeviceTree(cfg Config) ([]byte, error) {
	spans, err := plan(&cfg)
	if err != nil {
		return nil, err
	}
	im, err := readPrimary(&cfg, spans[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return im.fdt, nil
}

// loadPrimary puts the primary's images into RAM and returns where it starts: at the kernel, with
// the address of the device tree in x0 (Linux Documentation/arch/arm64/booting.rst §4).
func (m *Machine) loadPrimary(ram span) (hypercall.Boot, error) {
	im, err := readPrimary(&m.cfg, ram)
	if err != nil {
		return hypercall.Boot{}, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	copy(m.ram.Slice(im.place.Kernel.Base, uint64(len(im.kernel))), im.kernel)
	copy(m.ram.Slice(im.place.Initrd.Base, uint64(len(im.initrd))), im.initrd)
	copy(m.ram.Slice(im.place.FDT.Base, uint64(len(im.fdt))), im.fdt)
	return hypercall.Boot{Entry: im.place.Kernel.Base, X0: im.place.FDT.Base}, nil
}

// loadSecondary puts the image of a secondary at the first byte of its RAM and returns where its
// vCPU 0 starts, as its interface demands.
func (m *Machine) loadSecondary(s *Secondary, ram span) (hypercall.Boot, error) {
	img, err := boot.ReadFlat(s.Image, ram.size)
	if err != nil {
		return hypercall.Boot{}, fmt.Errorf("%w: secondary %s: %w", ErrUsage, s.Name, err)
	}
	copy(m.ram.Slice(ram.base, ram.size), img)
	start := [...]func(ffa.Span) hypercall.Boot{SPCI: ffa.SPCIBoot, HF: ffa.HFBoot, FFA: ffa.FFABoot}[m.cfg.ABI]
	return start(ffa.Span{Base: ram.base, Size: ram.size}), nil
}
