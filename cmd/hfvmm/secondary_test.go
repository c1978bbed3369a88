package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is written for the lab is read there as it was meant.
func FuzzASecondaryReadsBackAsItWasWritten(f *testing.F) {
	for _, seed := range []string{"echo.bin", "a,name=b,vcpus=2,mem=4K", `'a,"b'=c,name="d'e"`, "image=x,mem=1T", `""`, "Image,gic=v3,initrd=i,cmdline='a=b c,d'", "a=b=c", ".hidden", "p.bin,manifest=p.dts,role=sp,notify=both", "p.bin,role=vm,notify=none"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var first, second secondaries
		if first.Set(text) != nil {
			return
		}
		written := formatSecondary(first[0], first[0].Image, first[0].Initrd, first[0].ManifestFile)
		if err := second.Set(written); err != nil {
			t.Fatalf("%q was written as %q: %v", text, written, err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%q was written as %q (-was +is):\n%s", text, written, diff)
		}
	})
}
