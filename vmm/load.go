package vmm

import (
	"crypto/rand"
	"fmt"

	"github.com/hfvmm/hfvmm/ffa"
	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/vmm/boot"
)

// kernelImages is what a VM boots that boots a kernel: its images, where they go, and the device tree that says so.
type kernelImages struct {
	place               boot.Placement
	kernel, initrd, fdt []byte
}

// readKernel reads the images of a VM with this RAM and so many vCPUs. What fdt does not say yet is completed.
func readKernel(kernel, initrd string, ram span, vcpus int, fdt boot.FDTConfig) (*kernelImages, error) {
	k, err := boot.ReadKernel(kernel, ram.size)
	if err != nil {
		return nil, err
	}
	im := &kernelImages{kernel: k.Image}
	if initrd != "" {
		if im.initrd, err = boot.ReadInitrd(initrd, ram.size); err != nil {
			return nil, err
		}
	}
	if im.place, err = boot.Place(boot.Span{Base: ram.base, Size: ram.size}, k, uint64(len(im.initrd))); err != nil {
		return nil, err
	}
	fdt.RAM = boot.Span{Base: ram.base, Size: ram.size}
	fdt.Initrd = im.place.Initrd
	fdt.GICD = boot.Span{Base: gicDistBase, Size: gicDistSize}
	fdt.GICR = boot.Span{Base: gicRedistBase, Size: uint64(vcpus) * gicRedistSize}
	fdt.UART = boot.MMIO{Span: boot.Span{Base: uartBase, Size: deviceSize}, SPI: uartSPI}
	fdt.Seed = make([]byte, boot.MinSeed)
	_, _ = rand.Read(fdt.Seed) // never fails
	for i := range vcpus {
		fdt.CPUs = append(fdt.CPUs, kvmarm.MPIDR(i))
	}
	im.fdt, err = boot.BuildFDT(fdt)
	return im, err
}

// readPrimary reads the primary's images for a VM with this RAM.
func readPrimary(cfg *Config, ram span) (*kernelImages, error) {
	fdt := boot.FDTConfig{
		Cmdline: cfg.Primary.Cmdline,
		SMC:     cfg.SMC,
		SDEI:    cfg.SDEI.serves(0),
		RTC:     boot.MMIO{Span: boot.Span{Base: rtcBase, Size: deviceSize}, SPI: rtcSPI},
	}
	if cfg.Watchdog != 0 {
		fdt.Watchdog = uint32(watchdogCall)
	}
	return readKernel(cfg.Primary.Kernel, cfg.Primary.Initrd, ram, cfg.CPUs, fdt)
}

// readSecondary reads the images of the i-th secondary, which has a GIC.
func readSecondary(cfg *Config, i int, ram span) (*kernelImages, error) {
	s := &cfg.Secondaries[i]
	im, err := readKernel(s.Image, s.Initrd, ram, s.VCPUs, boot.FDTConfig{Cmdline: s.Cmdline, SMC: cfg.SMC, SDEI: cfg.SDEI.serves(1 + i)})
	if err != nil {
		return nil, fmt.Errorf("%w: secondary %s: %w", ErrUsage, s.Name, err)
	}
	return im, nil
}

// Validate finds what is wrong with cfg that can be seen without a host for it: an [ErrUsage].
func Validate(cfg Config) error {
	spans, err := plan(&cfg)
	if err == nil && !cfg.Builtin() {
		_, err = DeviceTree(cfg)
	}
	for i := range cfg.Secondaries {
		if err == nil && cfg.Secondaries[i].GIC {
			_, err = readSecondary(&cfg, i, spans[1+i])
		}
	}
	return err
}

// DeviceTree returns the device tree that the primary of cfg would boot with. Its errors are [ErrUsage].
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

// loadPrimary puts the primary's images into RAM and returns where it starts.
func (m *Machine) loadPrimary(ram span) (hypercall.Boot, error) {
	im, err := readPrimary(&m.cfg, ram)
	if err != nil {
		return hypercall.Boot{}, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return m.loadKernel(im), nil
}

// loadKernel puts images into RAM and returns where their VM starts: at the kernel, with the address of the device tree
// in x0 (Linux Documentation/arch/arm64/booting.rst §4).
func (m *Machine) loadKernel(im *kernelImages) hypercall.Boot {
	copy(m.ram.Slice(im.place.Kernel.Base, uint64(len(im.kernel))), im.kernel)
	copy(m.ram.Slice(im.place.Initrd.Base, uint64(len(im.initrd))), im.initrd)
	copy(m.ram.Slice(im.place.FDT.Base, uint64(len(im.fdt))), im.fdt)
	return hypercall.Boot{Entry: im.place.Kernel.Base, X0: im.place.FDT.Base}
}

// loadSecondary puts the i-th secondary into RAM and returns where its vCPU 0 starts. One without a GIC is an image at
// the first byte of its RAM, which starts as its interface demands.
func (m *Machine) loadSecondary(i int, ram span) (hypercall.Boot, error) {
	s := &m.cfg.Secondaries[i]
	if s.GIC {
		im, err := readSecondary(&m.cfg, i, ram)
		if err != nil {
			return hypercall.Boot{}, err
		}
		return m.loadKernel(im), nil
	}
	img, err := boot.ReadFlat(s.Image, ram.size)
	if err != nil {
		return hypercall.Boot{}, fmt.Errorf("%w: secondary %s: %w", ErrUsage, s.Name, err)
	}
	copy(m.ram.Slice(ram.base, ram.size), img)
	if s.Manifest != nil {
		return m.loadPartition(s, ram, img)
	}
	start := [...]func(ffa.Span) hypercall.Boot{SPCI: ffa.SecondaryBoot, HF: ffa.HFBoot, FFA: ffa.SecondaryBoot}[m.cfg.ABI]
	return start(ffa.Span{Base: ram.base, Size: ram.size}), nil
}
