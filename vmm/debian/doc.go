// Package debian fetches packages of Debian into a cache folder of the user and unpacks them there:
// kernels, compilers, QEMU. It needs apt-get and dpkg-deb, but neither root nor any change
// to the machine: apt runs with lists, sources and state of its own, and trusts only Debian's archive keys. The rest
// of the machine's apt configuration, such as proxies, is in force.
//
// The mirror is the one that the machine's own apt uses, or $HFVMM_MIRROR. Kernels are named by
// their metapackages, because mirrors drop old versions.
//
// The package knows nothing of virtual machines; which packages are needed for what is its only lore of the project.
package debian
