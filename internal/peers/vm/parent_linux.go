package vm

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the command when this process ends, however that happens.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
