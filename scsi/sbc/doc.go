// Package sbc has the parameter data of the SCSI block commands: capacities, the vital
// product data and mode pages of block devices, UNMAP parameter lists, and the rules of
// WRITE SAME.
//
// Device types for block storage and initiators import it. It is pure: AppendX builds,
// ParseX reads, nothing is kept, nothing blocks, and no input makes it panic. What ParseX
// returns may share memory with its argument. Everything is safe for concurrent use.
//
// Functions for vital product data make and read the body of a page, which spc.AppendVPD
// gives its header. Mode pages are handled with their header.
package sbc
