/*
 * CRC-32 (IEEE 802.3, reflected polynomial edb88320), as PeerAPI ports (protocol/tunnel.md §5.5) and stored records use it.
 */
#ifndef TN_CRC32_H
#define TN_CRC32_H

#include <stddef.h>
#include <stdint.h>

/** @return the CRC-32 of length bytes; 0 for no bytes */
uint32_t tn_crc32(const void *bytes, size_t length);

#endif
