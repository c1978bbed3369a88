package boot

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// readDeviceTree returns the blob of a device tree source or blob.
func readDeviceTree(path, dtcDir string) ([]byte, error) {
	b, err := readFile(manifestFile, path, maxManifest)
	if err != nil || isFDT(b) {
		return b, err
	}
	if !isDTS(b) {
		return nil, fmt.Errorf("the manifest %q is no device tree; give a source that begins with /dts-v1/; or a .dtb", path)
	}
	if b, err = compileDTS(b, path, dtcDir); err != nil {
		return nil, fmt.Errorf("the manifest %q %w", path, err)
	}
	return b, nil
}

// compileDTS turns a device tree source, which was read from path, into a blob with dtc. What it includes is looked
// for beside it. Its errors continue the sentence `the manifest "x" …`.
func compileDTS(source []byte, path, dtcDir string) ([]byte, error) {
	dtc, err := exec.LookPath("dtc")
	if err != nil && dtcDir != "" {
		dtc, err = exec.LookPath(filepath.Join(dtcDir, "dtc"))
	}
	if err != nil {
		return nil, errors.New("is a device tree source and dtc, which compiles it, is not here; " +
			"install the package device-tree-compiler or give a .dtb")
	}
	var out, complaints bytes.Buffer
	cmd := exec.Command(dtc, "-q", "-I", "dts", "-O", "dtb", "-")
	cmd.Dir = filepath.Dir(path)
	cmd.Stdin = bytes.NewReader(source) // it may come from a pipe, which cannot be read again
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		complaint := strings.Replace(firstError(complaints.String(), err), "<stdin>", path, 1)
		return nil, fmt.Errorf("does not compile (%s); mend the source", complaint)
	}
	if out.Len() > maxManifest {
		return nil, fmt.Errorf("compiles to more than %s; leave out what is not about the VMs", mib(maxManifest))
	}
	return out.Bytes(), nil
}

// firstError returns the first thing that dtc complained about before it failed with err.
func firstError(complaints string, err error) string {
	first, _, _ := strings.Cut(strings.TrimSpace(complaints), "\n")
	if first == "" {
		return "dtc: " + err.Error()
	}
	return strings.TrimPrefix(first, "Error: ")
}
