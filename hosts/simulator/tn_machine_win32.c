/*
 * Facts of a Windows machine.
 */
#include <winsock2.h> /* before windows.h, which else has an older one */
#include <ws2tcpip.h>
#include <windows.h>
#include <iphlpapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tn_machine.h"

#define NAME_MAX_CHARACTERS 256
/** Of 100 nanoseconds, from 1601 to 1970. */
#define UNIX_EPOCH 116444736000000000u
#define TICKS_PER_MS 10000u
#define TABLE_TRIES 4
#define FIRST_SIZE 16384u

typedef LONG WINAPI get_version(OSVERSIONINFOW *version);

/** The version that is; GetVersionEx gives the one that a program's manifest knows. */
static void write_version(char *out, size_t size)
{
	OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};
	const HMODULE kernel = GetModuleHandleW(L"ntdll.dll");
	const FARPROC function = kernel != NULL ? GetProcAddress(kernel, "RtlGetVersion") : NULL;
	if (function != NULL && ((get_version *)(void (*)(void))function)(&version) == 0)
		snprintf(out, size, "%lu.%lu.%lu", version.dwMajorVersion, version.dwMinorVersion, version.dwBuildNumber);
}

/** The processor, in the words of other systems. */
static const char *processor(void)
{
	SYSTEM_INFO facts;
	GetNativeSystemInfo(&facts);
	switch (facts.wProcessorArchitecture) {
	case PROCESSOR_ARCHITECTURE_AMD64:
		return "x86_64";
	case PROCESSOR_ARCHITECTURE_INTEL:
		return "i686";
	case PROCESSOR_ARCHITECTURE_ARM64:
		return "aarch64";
	default:
		return "";
	}
}

static void write_hostname(char *out, size_t size)
{
	WCHAR name[NAME_MAX_CHARACTERS];
	DWORD length = NAME_MAX_CHARACTERS;
	char text[NAME_MAX_CHARACTERS * 3 + 1];
	if (GetComputerNameExW(ComputerNameDnsHostname, name, &length) && WideCharToMultiByte(CP_UTF8, 0, name, -1, text, sizeof text, NULL, NULL) > 0)
		snprintf(out, size, "%s", text);
}

void tn_machine_fact(enum tn_machine_fact fact, char *out, size_t size)
{
	out[0] = '\0';
	switch (fact) {
	case TN_MACHINE_OS:
		snprintf(out, size, "windows");
		break;
	case TN_MACHINE_OS_VERSION:
		write_version(out, size);
		break;
	case TN_MACHINE_MODEL:
		snprintf(out, size, "%s", processor());
		break;
	case TN_MACHINE_HOSTNAME:
		write_hostname(out, size);
		break;
	case TN_MACHINE_LACKS:
		out[0] = '\0';
		break;
	}
}

uint64_t tn_machine_wall_ms(void)
{
	FILETIME now;
	GetSystemTimeAsFileTime(&now);
	return (((uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime) - UNIX_EPOCH) / TICKS_PER_MS;
}

/** Every interface with its addresses. @return NULL when they cannot be had, else to be freed */
static IP_ADAPTER_ADDRESSES *read_adapters(void)
{
	const ULONG flags = GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_DNS_SERVER | GAA_FLAG_SKIP_FRIENDLY_NAME;
	ULONG size = FIRST_SIZE;
	/* They may have become more between two calls. */
	for (unsigned i = 0; i < TABLE_TRIES; i++) {
		IP_ADAPTER_ADDRESSES *adapters = malloc(size);
		if (adapters == NULL)
			return NULL;
		ULONG error = GetAdaptersAddresses(AF_UNSPEC, flags, NULL, adapters, &size);
		if (error == ERROR_SUCCESS)
			return adapters;
		free(adapters);
		if (error != ERROR_BUFFER_OVERFLOW)
			return NULL;
	}
	return NULL;
}

/** @return false for an address of another family, and for one that counts on its link only */
static bool take_address(uint8_t out[16], const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		memset(out, 0, 10);
		out[10] = out[11] = 0xff;
		memcpy(out + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
		return !(out[12] == 169 && out[13] == 254);
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(out, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
	return !(out[0] == 0xfe && (out[1] & 0xc0) == 0x80);
}

size_t tn_machine_addresses(uint8_t (*out)[16], size_t max)
{
	IP_ADAPTER_ADDRESSES *adapters = read_adapters();
	size_t count = 0;
	for (IP_ADAPTER_ADDRESSES *each = adapters; each != NULL; each = each->Next) {
		if (each->OperStatus != IfOperStatusUp || each->IfType == IF_TYPE_SOFTWARE_LOOPBACK)
			continue;
		for (IP_ADAPTER_UNICAST_ADDRESS *own = each->FirstUnicastAddress; own != NULL && count < max; own = own->Next) {
			if (own->DadState == IpDadStatePreferred && take_address(out[count], own->Address.lpSockaddr))
				count++;
		}
	}
	free(adapters);
	return count;
}

/** The default route of least metric. */
static bool default_route(DWORD *interface_index, uint8_t gateway[4])
{
	ULONG size = FIRST_SIZE;
	MIB_IPFORWARDTABLE *table = NULL;
	DWORD error = ERROR_INSUFFICIENT_BUFFER, best = MAXDWORD;
	for (unsigned i = 0; i < TABLE_TRIES && error == ERROR_INSUFFICIENT_BUFFER; i++) {
		free(table);
		table = malloc(size);
		if (table == NULL)
			return false;
		error = GetIpForwardTable(table, &size, FALSE);
	}
	for (DWORD i = 0; error == NO_ERROR && i < table->dwNumEntries; i++) {
		const MIB_IPFORWARDROW *row = &table->table[i];
		if (row->dwForwardDest != 0 || row->dwForwardMask != 0 || row->dwForwardNextHop == 0 || row->dwForwardMetric1 >= best)
			continue;
		best = row->dwForwardMetric1;
		*interface_index = row->dwForwardIfIndex;
		memcpy(gateway, &row->dwForwardNextHop, 4);
	}
	free(table);
	return best != MAXDWORD;
}

bool tn_machine_gateway(uint8_t gateway[4], uint8_t address[4])
{
	DWORD interface_index = 0;
	bool found = false;
	if (!default_route(&interface_index, gateway))
		return false;
	IP_ADAPTER_ADDRESSES *adapters = read_adapters();
	for (IP_ADAPTER_ADDRESSES *each = adapters; each != NULL; each = each->Next) {
		if (each->IfIndex != interface_index)
			continue;
		for (IP_ADAPTER_UNICAST_ADDRESS *own = each->FirstUnicastAddress; own != NULL && !found; own = own->Next) {
			uint8_t whole[16];
			found = own->Address.lpSockaddr->sa_family == AF_INET && take_address(whole, own->Address.lpSockaddr);
			if (found)
				memcpy(address, whole + 12, 4);
		}
	}
	free(adapters);
	return found;
}

/** To the debugger; a program with windows has no output that anybody sees. */
void tn_machine_log(const char *text)
{
	fprintf(stderr, "%s\n", text);
	OutputDebugStringA(text);
	OutputDebugStringA("\n");
}
