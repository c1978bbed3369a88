package boot

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/u-root/u-root/pkg/dt"
)

// Manifest is a machine as Hafnium's manifest describes it: a device tree with a node "hypervisor",
// whose children vm1, vm2, … are the VMs, vm1 the primary. File names are absolute or relative to
// the working directory, no longer to the manifest.
type Manifest struct {
	Primary     ManifestPrimary
	Secondaries []ManifestSecondary
	// Warnings name what is in the manifest and has no effect, one sentence each.
	Warnings []string
}

// ManifestPrimary is vm1.
type ManifestPrimary struct {
	Name    string
	Kernel  string
	Ramdisk string // "" for none
}

// ManifestSecondary is one of vm2, vm3, …
type ManifestSecondary struct {
	Name   string
	Kernel string
	VCPUs  int    // at least 1
	Memory uint64 // bytes, a non-zero multiple of 4096

	// Partition is its FF-A manifest, or "": it is no FF-A partition, or Kernel is a package with one.
	Partition string
}

// maxManifest bounds the size of a manifest, bytes.
const maxManifest = 1 << 20

const hypervisorCompatible = "hafnium,hafnium"

// Properties of a VM node. The others that Hafnium knows configure what does not exist here.
const (
	propName    = "debug_name"
	propKernel  = "kernel_filename"
	propRamdisk = "ramdisk_filename"
	propVCPUs   = "vcpu_count"
	propMemory  = "mem_size"

	// Of an FF-A partition. All are loaded by the hypervisor, here as there.
	propFFA    = "is_ffa_partition"
	propFDT    = "fdt_filename"
	propLoaded = "hyp_loaded"
)

// ReadManifest reads Hafnium's manifest from a device tree source or blob. A source is compiled with
// dtc, which is looked for in PATH and then in the folder dtcDir, an absolute path, unless that is "".
func ReadManifest(path, dtcDir string) (*Manifest, error) {
	b, err := readDeviceTree(path, dtcDir)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("the manifest %q is unusable: %w", path, err)
	}
	m.resolve(filepath.Dir(path))
	return m, nil
}

func isFDT(b []byte) bool {
	return len(b) >= 4 && binary.BigEndian.Uint32(b) == dt.Magic
}

func isDTS(b []byte) bool { return bytes.Contains(b, []byte("/dts-v1/")) }

// resolve makes file names independent of where the manifest lies.
func (m *Manifest) resolve(folder string) {
	for _, name := range m.fileNames() {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(folder, *name)
		}
	}
}

func (m *Manifest) fileNames() []*string {
	names := []*string{&m.Primary.Kernel, &m.Primary.Ramdisk}
	for i := range m.Secondaries {
		names = append(names, &m.Secondaries[i].Kernel, &m.Secondaries[i].Partition)
	}
	return names
}

func parseManifest(b []byte) (*Manifest, error) {
	tree, err := readFDT(b)
	if err != nil {
		return nil, fmt.Errorf("%w; compile or copy it again", err)
	}
	hypervisor, ok := findHypervisor(tree.RootNode)
	if !ok {
		return nil, fmt.Errorf("it has no node /hypervisor; add one with the VMs vm1, vm2, … in it")
	}
	if p, ok := hypervisor.LookProperty("compatible"); ok &&
		!slices.Contains(strings.Split(string(p.Value), "\x00"), hypervisorCompatible) {
		return nil, fmt.Errorf("its node /hypervisor is not compatible with %q; set that property", hypervisorCompatible)
	}
	m := &Manifest{}
	m.ignoreProperties("/hypervisor", hypervisor, "compatible")
	vms := make(map[int]*dt.Node)
	for _, n := range hypervisor.Children {
		number, ok := vmNumber(n.Name)
		switch {
		case !ok:
			m.warn("node /hypervisor/%s is ignored: it is not a VM", n.Name)
		case vms[number] != nil:
			return nil, fmt.Errorf("it has /hypervisor/vm%d twice; number the VMs from vm1 on", number)
		default:
			vms[number] = n
		}
	}
	for number := range vms {
		if number > len(vms) {
			missing := 1
			for vms[missing] != nil {
				missing++
			}
			return nil, fmt.Errorf("it has /hypervisor/vm%d but no /hypervisor/vm%d; number the VMs from vm1 on without a gap", number, missing)
		}
	}
	if len(vms) == 0 {
		return nil, fmt.Errorf("it has no VM; add /hypervisor/vm1, the primary")
	}
	for number := 1; number <= len(vms); number++ {
		if err := m.addVM(vmNode{vms[number]}, number); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// findHypervisor returns the node /hypervisor, which in an overlay is a child of the fragment's
// __overlay__.
func findHypervisor(root *dt.Node) (*dt.Node, bool) {
	if n, ok := root.LookupChildByName("hypervisor"); ok {
		return n, true
	}
	for _, fragment := range root.Children {
		if overlay, ok := fragment.LookupChildByName("__overlay__"); ok {
			if n, ok := overlay.LookupChildByName("hypervisor"); ok {
				return n, true
			}
		}
	}
	return nil, false
}

// vmNumber returns N of a node named vmN, 1 or more.
func vmNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "vm")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0 && strconv.Itoa(n) == digits
}

func (m *Manifest) addVM(n vmNode, number int) error {
	name, err := n.str(propName)
	if err != nil {
		return err
	}
	kernel, err := n.str(propKernel)
	if err != nil {
		return err
	}
	if number == 1 {
		m.Primary = ManifestPrimary{Name: name, Kernel: kernel}
		if _, ok := n.LookProperty(propRamdisk); ok {
			if m.Primary.Ramdisk, err = n.str(propRamdisk); err != nil {
				return err
			}
		}
		m.ignoreProperties(n.path(), n.Node, propName, propKernel, propRamdisk)
		return nil
	}
	vcpus, err := n.number(propVCPUs)
	if err != nil {
		return err
	}
	if vcpus == 0 || vcpus > maxManifestVCPUs {
		return fmt.Errorf("%s of %s is %d; give it 1 to %d", propVCPUs, n.path(), vcpus, maxManifestVCPUs)
	}
	memory, err := n.number(propMemory)
	if err != nil {
		return err
	}
	if memory == 0 || memory%pageSize != 0 {
		return fmt.Errorf("%s of %s is %#x bytes; give it a multiple of %#x", propMemory, n.path(), memory, pageSize)
	}
	sec := ManifestSecondary{Name: name, Kernel: kernel, VCPUs: int(vcpus), Memory: memory}
	known := []string{propName, propKernel, propVCPUs, propMemory}
	if _, ok := n.LookProperty(propFFA); ok {
		known = append(known, propFFA, propFDT, propLoaded)
		if _, ok := n.LookProperty(propFDT); ok {
			if sec.Partition, err = n.str(propFDT); err != nil {
				return err
			}
		}
	}
	m.Secondaries = append(m.Secondaries, sec)
	m.ignoreProperties(n.path(), n.Node, known...)
	return nil
}

// maxManifestVCPUs is what vcpu_count holds in Hafnium, 16 bits.
const maxManifestVCPUs = 1<<16 - 1

func (m *Manifest) ignoreProperties(path string, n *dt.Node, known ...string) {
	for _, p := range n.Properties {
		if !slices.Contains(known, p.Name) {
			m.warn("property %s of %s is ignored: it has no effect here", p.Name, path)
		}
	}
}

func (m *Manifest) warn(format string, args ...any) {
	m.Warnings = append(m.Warnings, fmt.Sprintf(format, args...))
}

// vmNode is a node vmN.
type vmNode struct {
	*dt.Node
}

func (n vmNode) path() string { return "/hypervisor/" + n.Name }

func (n vmNode) property(name string) ([]byte, error) {
	p, ok := n.LookProperty(name)
	if !ok {
		return nil, fmt.Errorf("%s has no %s; add it", n.path(), name)
	}
	return p.Value, nil
}

// str reads a property that is one non-empty string of printable ASCII.
func (n vmNode) str(name string) (string, error) {
	v, err := n.property(name)
	if err != nil {
		return "", err
	}
	s, terminated := strings.CutSuffix(string(v), "\x00")
	if !terminated || s == "" || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", fmt.Errorf("%s of %s is not a string of printable characters; write %s = \"…\"", name, n.path(), name)
	}
	return s, nil
}

// number reads a property that is one number of one or two cells.
func (n vmNode) number(name string) (uint64, error) {
	v, err := n.property(name)
	if err != nil {
		return 0, err
	}
	switch len(v) {
	case 4:
		return uint64(binary.BigEndian.Uint32(v)), nil
	case 8:
		return binary.BigEndian.Uint64(v), nil
	}
	return 0, fmt.Errorf("%s of %s is not a number; write %s = <…>", name, n.path(), name)
}
