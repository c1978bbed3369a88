// Package boot turns what a user gives into what a guest starts from: kernel images in their several
// formats, their place in memory, the device tree of a VM, and Hafnium's manifest.
//
// Its errors are for users: one sentence that names the file, what is wrong with it and what mends
// it. It knows files and bytes, but no KVM and no running machine.
package boot
