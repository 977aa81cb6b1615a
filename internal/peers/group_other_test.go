//go:build !linux

package peers

import "os/exec"

// ownGroup does nothing: the command alone is killed.
func ownGroup(*exec.Cmd) {}

// killGroup kills the command.
func killGroup(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // it may have ended by itself
}
