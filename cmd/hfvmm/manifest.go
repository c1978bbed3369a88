package main

import (
	"log/slog"
	"path/filepath"

	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/boot"
	"github.com/hfvmm/hfvmm/vmm/debian"
)

// readManifest lets --manifest say what the VMs are.
func (o *options) readManifest(cfg *vmm.Config, log *slog.Logger) error {
	if boot.IsVMList(o.manifest) {
		return o.readVMList(cfg)
	}
	switch {
	case o.manifest == "":
		return nil
	case o.primary != "" || o.initrd != "" || len(o.secondaries) > 0:
		return usageErrorf("--manifest %q already names the VMs; drop --primary, --initrd and --secondary, or drop --manifest", o.manifest)
	}
	m, err := boot.ReadManifest(o.manifest, cachedDTC())
	if err != nil {
		return &exitError{exitUsage, err}
	}
	for _, w := range m.Warnings {
		log.Warn(w, "manifest", o.manifest)
	}
	cfg.Primary.Kernel, cfg.Primary.Initrd = m.Primary.Kernel, m.Primary.Ramdisk
	for _, s := range m.Secondaries {
		cfg.Secondaries = append(cfg.Secondaries, vmm.Secondary{Name: s.Name, Image: s.Kernel, VCPUs: s.VCPUs, Memory: s.Memory, ManifestFile: s.Partition})
	}
	return nil
}

// readVMList takes the secondaries from a vms.txt. The primary is that of --primary; or, as on Hafnium's RAM
// disk, the file vmlinuz in the same folder with the file initrd.img, where there are such files.
func (o *options) readVMList(cfg *vmm.Config) error {
	if len(o.secondaries) > 0 {
		return usageErrorf("--manifest %q already names the secondary VMs; drop --secondary, or drop --manifest", o.manifest)
	}
	list, err := boot.ReadVMList(o.manifest)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	var named secondaries
	for _, s := range list {
		named = append(named, vmm.Secondary{Name: named.freeName(s.Kernel), Image: s.Kernel, VCPUs: s.VCPUs, Memory: s.Memory})
	}
	cfg.Secondaries = named
	folder := filepath.Dir(o.manifest)
	kernel := filepath.Join(folder, "vmlinuz")
	if o.primary != "" || checkFile(kernel) != nil {
		return nil
	}
	cfg.Primary.Kernel = kernel
	if initrd := filepath.Join(folder, "initrd.img"); o.initrd == "" && checkFile(initrd) == nil {
		cfg.Primary.Initrd = initrd
	}
	return nil
}

// cachedDTC is the folder in which the cache has dtc, or "".
func cachedDTC() string {
	cache, err := debian.Open()
	if err != nil {
		return ""
	}
	root, ok := cache.Has(debian.DeviceTreeCompiler())
	if !ok {
		return ""
	}
	return filepath.Join(root, "bin")
}
