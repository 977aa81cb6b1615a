// Package peers tests the module against initiators that others wrote: libiscsi and its conformance
// suite, QEMU's block tools, and the Linux kernel in a virtual machine.
//
// The target is examples/target, built by the tests with the race detector or the debug tag where
// the tests themselves are. Everything that a test starts ends with it, also when it fails.
//
// The initiators are programs of other packages. A test asks for each by [Tool]: where it is
// missing, the test is skipped, or fails if GOSCST_REQUIRE_TOOLS is 1 in the environment, as it is
// in continuous integration. Other packages' tests use Tool as well, and [Missing] for what a machine
// may lack besides; nothing else of this package is for them.
//
// More of the environment:
//
//	GOSCST_PEER=tgtd   test another target, Debian's tgt, to compare with or to try the rig;
//	                   what is expected of ours is not expected of it
//	GOSCST_REPORT=DIR  write the tables of results to files in DIR
//	GOSCST_CACHE=DIR   where the virtual machine's image is kept, default the user's cache
package peers
