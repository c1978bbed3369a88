package boot

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/u-root/u-root/pkg/dt"
)

// MaxCmdline is the longest command line that arm64 Linux takes, bytes (its COMMAND_LINE_SIZE
// without the terminating zero); it would cut a longer one silently.
const MaxCmdline = 2047

// FDTConfig says what the device tree of a VM describes.
type FDTConfig struct {
	RAM     Span
	CPUs    []uint64 // MPIDR_EL1 affinity of each vCPU
	Cmdline string
	Initrd  Span // Size 0 for none

	GICD, GICR Span // GICv3 distributor and redistributors
	UART, RTC  MMIO // PL011; PL031, Size 0 for none
	SMC        bool // calls are made with SMC, not HVC
	SDEI       bool // the Software Delegated Exception Interface is there

	// Watchdog is the function that Linux's driver arm_smc_wdt calls, or 0 for no watchdog.
	Watchdog uint32

	// Seed is entropy for the kernel: none, or at least MinSeed bytes, of which 8 seed its
	// address-space layout and the others its random numbers.
	Seed []byte
}

// MMIO is a device in the device tree.
type MMIO struct {
	Span
	SPI uint32 // number of its interrupt among the shared peripheral interrupts, 0 = INTID 32
}

// MinSeed is the least number of bytes in a non-empty FDTConfig.Seed.
const MinSeed = 40

// Phandles and interrupt specifiers (Linux Documentation/devicetree/bindings/interrupt-controller/
// arm,gic-v3.yaml).
const (
	clockPhandle = 1
	gicPhandle   = 2

	gicSPI    = 0
	gicPPI    = 1
	levelHigh = 4
)

// The PPIs of the generic timer, less 16: secure and non-secure EL1 physical, virtual, EL2 physical,
// as in every Arm base system (BSA §3.8).
var timerPPIs = [4]uint32{13, 14, 11, 10}

// BuildFDT returns the flattened device tree of a VM. It has the shape of QEMU's virt
// machine. The same configuration gives the same bytes.
func BuildFDT(c FDTConfig) ([]byte, error) {
	if len(c.Cmdline) > MaxCmdline {
		return nil, fmt.Errorf("the kernel command line has %d bytes and Linux takes %d; shorten it", len(c.Cmdline), MaxCmdline)
	}
	if strings.IndexByte(c.Cmdline, 0) >= 0 {
		return nil, fmt.Errorf("the kernel command line %q has a zero byte in it; remove it", c.Cmdline)
	}
	if len(c.Seed) != 0 && len(c.Seed) < MinSeed {
		return nil, fmt.Errorf("boot: a seed of %d bytes is shorter than %d", len(c.Seed), MinSeed)
	}
	root := node("",
		strs("compatible", "linux,dummy-virt"),
		str("model", "linux,dummy-virt"),
		u32("#address-cells", 2),
		u32("#size-cells", 2),
		u32("interrupt-parent", gicPhandle),
	)
	uart := c.uart()
	root.Children = append(root.Children, c.chosen("/"+uart.Name))
	root.Children = append(root.Children,
		c.memory(),
		c.cpus(),
		node("psci",
			strs("compatible", "arm,psci-1.0", "arm,psci-0.2"),
			c.method(),
		),
		c.timer(),
		c.gic(),
		node("apb-pclk",
			strs("compatible", "fixed-clock"),
			u32("#clock-cells", 0),
			u32("clock-frequency", 24_000_000),
			str("clock-output-names", "clk24mhz"),
			u32("phandle", clockPhandle),
		),
		uart,
	)
	if c.RTC.Size != 0 {
		root.Children = append(root.Children, c.rtc())
	}
	if c.SDEI {
		root.Children = append(root.Children, c.firmware())
	}
	if c.Watchdog != 0 {
		root.Children = append(root.Children, node("watchdog", strs("compatible", "arm,smc-wdt"), u32("arm,smc-id", c.Watchdog)))
	}
	tree := dt.FDT{Header: dt.Header{Magic: dt.Magic, Version: 17, LastCompVersion: 16}, RootNode: root}
	var b bytes.Buffer
	if _, err := tree.Write(&b); err != nil {
		return nil, fmt.Errorf("boot: writing the device tree: %w", err)
	}
	if b.Len() > FDTRoom {
		return nil, fmt.Errorf("boot: the device tree has %d bytes, more than %d", b.Len(), FDTRoom)
	}
	return b.Bytes(), nil
}

func (c *FDTConfig) chosen(console string) *dt.Node {
	n := node("chosen", str("bootargs", c.Cmdline), str("stdout-path", console))
	if c.Initrd.Size != 0 {
		n.Properties = append(n.Properties,
			u64s("linux,initrd-start", c.Initrd.Base),
			u64s("linux,initrd-end", c.Initrd.End()))
	}
	if len(c.Seed) != 0 {
		n.Properties = append(n.Properties,
			dt.Property{Name: "kaslr-seed", Value: c.Seed[:8]},
			dt.Property{Name: "rng-seed", Value: c.Seed[8:]})
	}
	return n
}

func (c *FDTConfig) memory() *dt.Node {
	return node(unit("memory", c.RAM.Base),
		str("device_type", "memory"),
		u64s("reg", c.RAM.Base, c.RAM.Size))
}

func (c *FDTConfig) cpus() *dt.Node {
	n := node("cpus", u32("#address-cells", 2), u32("#size-cells", 0))
	for _, mpidr := range c.CPUs {
		n.Children = append(n.Children, node(unit("cpu", mpidr),
			str("device_type", "cpu"),
			strs("compatible", "arm,armv8"),
			u64s("reg", mpidr),
			str("enable-method", "psci")))
	}
	return n
}

func (c *FDTConfig) timer() *dt.Node {
	var irqs []uint32
	for _, ppi := range timerPPIs {
		irqs = append(irqs, gicPPI, ppi, levelHigh)
	}
	return node("timer",
		strs("compatible", "arm,armv8-timer"),
		u32("interrupts", irqs...),
		empty("always-on"))
}

func (c *FDTConfig) gic() *dt.Node {
	return node(unit("intc", c.GICD.Base),
		strs("compatible", "arm,gic-v3"),
		u64s("reg", c.GICD.Base, c.GICD.Size, c.GICR.Base, c.GICR.Size),
		u32("#redistributor-regions", 1),
		empty("interrupt-controller"),
		u32("#interrupt-cells", 3),
		u32("#address-cells", 2),
		u32("#size-cells", 2),
		empty("ranges"),
		u32("phandle", gicPhandle))
}

func (c *FDTConfig) uart() *dt.Node {
	return primecell("pl011", c.UART,
		u32("clocks", clockPhandle, clockPhandle),
		strs("clock-names", "uartclk", "apb_pclk"))
}

func (c *FDTConfig) rtc() *dt.Node {
	return primecell("pl031", c.RTC,
		u32("clocks", clockPhandle),
		strs("clock-names", "apb_pclk"))
}

// firmware tells of SDEI (Linux Documentation/devicetree/bindings/arm/firmware/sdei.txt).
func (c *FDTConfig) firmware() *dt.Node {
	n := node("firmware")
	n.Children = []*dt.Node{node("sdei", strs("compatible", "arm,sdei-1.0"), c.method())}
	return n
}

// method names the instruction that calls are made with.
func (c *FDTConfig) method() dt.Property {
	if c.SMC {
		return str("method", "smc")
	}
	return str("method", "hvc")
}

// primecell describes an Arm PrimeCell peripheral.
func primecell(name string, d MMIO, more ...dt.Property) *dt.Node {
	n := node(unit(name, d.Base),
		strs("compatible", "arm,"+name, "arm,primecell"),
		u64s("reg", d.Base, d.Size),
		u32("interrupts", gicSPI, d.SPI, levelHigh))
	n.Properties = append(n.Properties, more...)
	return n
}

func node(name string, properties ...dt.Property) *dt.Node {
	return &dt.Node{Name: name, Properties: properties}
}

// unit returns the name of a node at an address.
func unit(name string, address uint64) string { return fmt.Sprintf("%s@%x", name, address) }

func empty(name string) dt.Property { return dt.Property{Name: name} }

func str(name, value string) dt.Property { return dt.PropertyString(name, value) }

func strs(name string, values ...string) dt.Property {
	return dt.PropertyString(name, strings.Join(values, "\x00"))
}

func u32(name string, values ...uint32) dt.Property { return dt.PropertyU32Array(name, values) }

func u64s(name string, values ...uint64) dt.Property {
	var b []byte
	for _, v := range values {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return dt.Property{Name: name, Value: b}
}
