package main

import "github.com/hfvmm/hfvmm/vmm"

// readManifest lets --manifest say what the VMs are.
func (o *options) readManifest(cfg *vmm.Config) error {
	switch {
	case o.manifest == "" && o.primary == "":
		return usageErrorf("no primary: give --primary IMAGE or --manifest FILE")
	case o.manifest == "":
		return nil
	case o.primary != "" || len(o.secondaries) > 0 || o.initrd != "":
		return usageErrorf("--manifest %q already names the VMs; drop --primary, --initrd and --secondary, or drop --manifest", o.manifest)
	}
	return nil
}
