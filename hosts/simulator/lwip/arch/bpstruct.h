/* Before a structure of lwIP's that lies in a packet. */
#pragma pack(push, 1)
