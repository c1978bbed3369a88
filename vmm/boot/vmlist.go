package boot

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

// IsVMList reports whether a manifest is a vms.txt, going by its name.
func IsVMList(path string) bool { return filepath.Ext(path) == ".txt" }

// ReadVMList reads the vms.txt of Hafnium's RAM disks before there was a manifest: one line for each
// secondary with its memory in bytes, its number of vCPUs and the name of its image, which may hold no white
// space and is relative to the list. Empty lines do not count. The VMs have no names.
func ReadVMList(path string) ([]ManifestSecondary, error) {
	b, err := readFile(vmListFile, path, maxManifest)
	if err != nil {
		return nil, err
	}
	vms, err := parseVMList(string(b))
	if err != nil {
		return nil, fmt.Errorf("the VM list %q is unusable: %w", path, err)
	}
	for i := range vms {
		if k := &vms[i].Kernel; !filepath.IsAbs(*k) {
			*k = filepath.Join(filepath.Dir(path), *k)
		}
	}
	return vms, nil
}

func parseVMList(text string) (vms []ManifestSecondary, _ error) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 {
			return nil, fmt.Errorf("line %d has %d words; write BYTES VCPUS FILE", number, len(f))
		}
		memory, err := strconv.ParseUint(f[0], 10, 64)
		if err != nil || memory == 0 || memory%pageSize != 0 {
			return nil, fmt.Errorf("line %d gives %q bytes of memory; give a multiple of %d", number, f[0], pageSize)
		}
		vcpus, err := strconv.ParseUint(f[1], 10, 16)
		if err != nil || vcpus == 0 {
			return nil, fmt.Errorf("line %d gives %q vCPUs; give 1 to %d", number, f[1], maxManifestVCPUs)
		}
		if strings.ContainsFunc(f[2], unicode.IsControl) { // VMs are called by it in what a terminal shows
			return nil, fmt.Errorf("line %d names a file %q; give one without control characters", number, f[2])
		}
		vms = append(vms, ManifestSecondary{Kernel: f[2], VCPUs: int(vcpus), Memory: memory})
	}
	if len(vms) == 0 {
		return nil, fmt.Errorf("it has no VM; write a line BYTES VCPUS FILE for each secondary")
	}
	return vms, nil
}
