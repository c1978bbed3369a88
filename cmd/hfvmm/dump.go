package main

import (
	"os"

	"github.com/hfvmm/hfvmm/vmm"
)

// dumpDTB writes the device tree that the primary would get.
func dumpDTB(path string, cfg vmm.Config) error {
	dtb, err := vmm.DeviceTree(cfg)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, dtb, 0o644); err != nil {
		return usageErrorf("--dump-dtb: cannot write %q: %w; give the path of a file that you may write", path, reason(err))
	}
	return nil
}
