// Package vm boots the kernel of the Linux distribution in a virtual machine, so that tests can use
// its SCSI and iSCSI code as an initiator, without privileges on the host.
//
// [Build] makes an [Image] out of Debian packages: the stock kernel and a small root file system in
// memory with busybox, open-iscsi and e2fsprogs. The packages are downloaded and unpacked into a
// cache, nothing is installed. [Boot] starts a [Machine] from it in QEMU; [Machine.Run] runs a shell
// script in the guest and returns what it printed. The host's 127.0.0.1 is [HostAddr] in the guest,
// which needs no set-up.
//
// The processor is emulated even where hardware could run the guest: within a virtual machine, as
// continuous integration often is, that fails in more ways than it is faster. A guest takes some
// five seconds to boot.
//
// Only tests use this package.
package vm
