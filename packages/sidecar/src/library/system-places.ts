/** Where the system and its packages lie: nothing in there is an agent's. */
const SYSTEM =
	/^\/(?:bin|boot|dev|gnu\/store|lib|lib32|lib64|libx32|nix\/store|proc|sbin|snap|sys|usr(?!\/local\/(?:data|share|srv|var))|etc\/(?:alternatives|ssl))(?:\/|$)/;

export function isSystemPlace(path: string): boolean {
	return SYSTEM.test(path);
}
