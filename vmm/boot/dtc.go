package boot

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// compileDTS turns a device tree source into a blob with dtc. Its errors continue the sentence `the
// manifest "x" …`.
func compileDTS(path, dtcDir string) ([]byte, error) {
	dtc, err := exec.LookPath("dtc")
	if err != nil && dtcDir != "" {
		dtc, err = exec.LookPath(filepath.Join(dtcDir, "dtc"))
	}
	if err != nil {
		return nil, errors.New("is a device tree source and dtc, which compiles it, is not here; " +
			"install the package device-tree-compiler or give a .dtb")
	}
	// "./" keeps a file name that begins with a dash from becoming an option.
	if !filepath.IsAbs(path) {
		path = "./" + path
	}
	var out, complaints bytes.Buffer
	cmd := exec.Command(dtc, "-q", "-I", "dts", "-O", "dtb", path)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("does not compile (%s); mend the source", firstError(complaints.String(), err))
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
