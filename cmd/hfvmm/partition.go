package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/hfvmm/hfvmm/vmm"
	"github.com/hfvmm/hfvmm/vmm/boot"
)

// readPartitions reads the manifests of FF-A partitions: those that their flags name, and those in packages. A
// secondary has as many vCPUs as its manifest says unless its flag says more than one.
func readPartitions(cfg *vmm.Config) error {
	for i := range cfg.Secondaries {
		s := &cfg.Secondaries[i]
		var err error
		if s.Manifest, err = readPartition(s); err != nil {
			return usageErrorf("secondary %q: %w", s.Name, err)
		}
		if s.Manifest != nil && s.VCPUs == defaultSecondaryVCPUs {
			s.VCPUs = s.Manifest.Contexts
		}
	}
	return nil
}

func readPartition(s *vmm.Secondary) (*boot.PartitionManifest, error) {
	image, err := readPackage(s.Image, s.Memory)
	if err != nil {
		return nil, err
	}
	packed := image != nil
	switch {
	case packed && s.ManifestFile != "":
		return nil, fmt.Errorf("the image %q is a package with a manifest; leave the other one out", s.Image)
	case s.ManifestFile != "":
		return boot.ReadPartitionManifest(s.ManifestFile, cachedDTC())
	case !packed:
		return nil, nil
	}
	p, err := boot.ParsePartitionPackage(image)
	if err != nil {
		return nil, fmt.Errorf("the image %q: %w", s.Image, err)
	}
	m, err := boot.ParsePartitionManifest(p.Manifest)
	if err != nil {
		return nil, fmt.Errorf("the manifest in %q is unusable: %w", s.Image, err)
	}
	return m, nil
}

// readPackage reads a file that is a package of at most limit bytes. It returns nil for another file, of which it
// consumes nothing.
func readPackage(path string, limit uint64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 4)
	if _, err := io.ReadFull(f, head); err != nil || !boot.IsPartitionPackage(head) {
		return nil, nil
	}
	return boot.ReadFlat(path, limit)
}

// packManifests makes blobs of the manifests that are sources, for a host that cannot compile them. remove takes
// them away again.
func packManifests(cfg *vmm.Config) (remove func(), err error) {
	var made []string
	remove = func() {
		for _, file := range made {
			os.Remove(file)
		}
	}
	cfg.Secondaries = slices.Clone(cfg.Secondaries)
	for i := range cfg.Secondaries {
		s := &cfg.Secondaries[i]
		if s.ManifestFile == "" {
			continue
		}
		if b, err := os.ReadFile(s.ManifestFile); err != nil || bytes.Equal(b, s.Manifest.Blob) {
			continue
		}
		f, err := os.CreateTemp("", "hfvmm-*.dtb")
		if err != nil {
			return remove, fmt.Errorf("the manifest of secondary %q cannot be passed on: %w", s.Name, err)
		}
		made = append(made, f.Name())
		_, err = f.Write(s.Manifest.Blob)
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return remove, fmt.Errorf("the manifest of secondary %q cannot be passed on: %w", s.Name, err)
		}
		s.ManifestFile = f.Name()
	}
	return remove, nil
}
