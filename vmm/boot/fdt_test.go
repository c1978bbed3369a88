package boot

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/dt"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// small and full are the least and the most that a device tree describes.
var (
	small = FDTConfig{
		RAM:  Span{0x4000_0000, 64 << 20},
		CPUs: []uint64{0},
		GICD: Span{0x0800_0000, 0x1_0000},
		GICR: Span{0x080A_0000, 0x2_0000},
		UART: MMIO{Span{0x0900_0000, 0x1000}, 1},
		RTC:  MMIO{Span{0x0901_0000, 0x1000}, 2},
	}
	full = FDTConfig{
		RAM:     Span{0x4000_0000, 9 << 29},
		CPUs:    []uint64{0, 1, 0x100, 0x1_0000_0000},
		Cmdline: `console=ttyAMA0 init="/bin/sh -c"`,
		Initrd:  Span{0x4400_0000, 0x12345},
		GICD:    Span{0x0800_0000, 0x1_0000},
		GICR:    Span{0x080A_0000, 4 * 0x2_0000},
		UART:    MMIO{Span{0x0900_0000, 0x1000}, 1},
		RTC:     MMIO{Span{0x0901_0000, 0x1000}, 2},
		SDEI:    true,

		Watchdog: 0x82003D06,

		Seed: []byte("0123456789abcdefghijklmnopqrstuvwxyzABCD"),
	}
)

func build(t *testing.T, c FDTConfig) []byte {
	t.Helper()
	b, err := BuildFDT(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDeviceTreeIsTheGoldenOne(t *testing.T) {
	for name, c := range map[string]FDTConfig{"small": small, "full": full} {
		t.Run(name, func(t *testing.T) {
			got := build(t, c)
			golden := filepath.Join("testdata", name+".dtb")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the device tree is not %s: %s", golden, cmp.Diff(decode(t, want), decode(t, got)))
			}
		})
	}
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	tree, err := readFDT(b)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func needDTC(t *testing.T) string {
	t.Helper()
	dtc, err := exec.LookPath("dtc")
	if err != nil {
		t.Skip("dtc is not installed (package device-tree-compiler)")
	}
	return dtc
}

func TestDTCReadsTheDeviceTreeWithoutAWarning(t *testing.T) {
	dtc := needDTC(t)
	for name, c := range map[string]FDTConfig{"small": small, "full": full} {
		cmd := exec.Command(dtc, "-I", "dtb", "-O", "dts")
		cmd.Stdin = bytes.NewReader(build(t, c))
		var out, complaints bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaints
		if err := cmd.Run(); err != nil || complaints.Len() > 0 {
			t.Errorf("%s: dtc says %v: %s", name, err, complaints.String())
		}
		golden := filepath.Join("testdata", name+".dts")
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), out.String()); d != "" {
			t.Errorf("the source is not %s: %s", golden, d)
		}
	}
}

func TestOptionalPartsOfTheDeviceTreeAreLeftOut(t *testing.T) {
	b := build(t, small)
	for _, absent := range []string{"linux,initrd-start", "kaslr-seed", "rng-seed", "firmware", "sdei"} {
		if bytes.Contains(b, []byte(absent)) {
			t.Errorf("%s is there", absent)
		}
	}
}

func TestConduitIsTheMethodOfEverythingThatIsCalled(t *testing.T) {
	for _, smc := range []bool{false, true} {
		c := full
		c.SMC = smc
		b := build(t, c)
		n := map[bool]int{false: bytes.Count(b, []byte("hvc\x00")), true: bytes.Count(b, []byte("smc\x00"))}
		if n[smc] != 2 || n[!smc] != 0 { // PSCI and SDEI
			t.Errorf("SMC %v: %d times hvc and %d times smc", smc, n[false], n[true])
		}
	}
}

func TestCommandLinesThatLinuxWouldCutAreRefused(t *testing.T) {
	c := small
	c.Cmdline = strings.Repeat("x", MaxCmdline)
	build(t, c)
	c.Cmdline += "x"
	_, err := BuildFDT(c)
	mentions(t, err, "2048 bytes", "Linux takes 2047", "shorten")
	c.Cmdline = "a\x00b"
	_, err = BuildFDT(c)
	mentions(t, err, "zero byte", "remove")
}

func TestDeviceTreeOfTheLargestMachineFits(t *testing.T) {
	c := full
	c.CPUs = make([]uint64, 512)
	for i := range c.CPUs {
		c.CPUs[i] = uint64(i)
	}
	build(t, c)
}

func TestShortSeedsAreRefused(t *testing.T) {
	c := small
	c.Seed = make([]byte, MinSeed-1)
	_, err := BuildFDT(c)
	mentions(t, err, "seed")
}

func TestDeviceTreeWithNamesThatATerminalWouldObeyIsRefused(t *testing.T) {
	tree := func(child *dt.Node) *dt.Node {
		root := node("")
		root.Children = []*dt.Node{child}
		return root
	}
	for _, root := range []*dt.Node{
		node("", present("a\x1b[2J")),
		tree(node("a\x1b[2J")),
		tree(node("a\x9b2J")), // CSI in one byte
		tree(node("a b")),
	} {
		_, err := readFDT(blob(t, root))
		mentions(t, err, errFDT.Error(), `the name "a`)
	}
}
