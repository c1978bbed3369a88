// Command job is the program that the lab's tests run: its first argument says what it does.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/hfvmm/hfvmm/vmm/lab"
)

func main() {
	lab.Init()
	switch os.Args[1] {
	case "cat":
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			panic(err)
		}
		fmt.Fprint(os.Stderr, "stderr")
		os.Exit(7)
	case "describe":
		dir, _ := os.Getwd()
		text, err := os.ReadFile("file")
		kvm, noKVM := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
		if noKVM == nil {
			kvm.Close()
		}
		fmt.Println(dir, string(text), err, os.Getenv("KEY"), strings.Join(os.Args[2:], "|"), noKVM)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "hang":
		fmt.Println("hanging")
		time.Sleep(time.Hour)
	}
}
